"""What a file is, by its content and its name, and which files are not taken.

What runs is refused. What people look at has to be what it is called. Whatever else is kept is shown to nobody but as a
file to save.
"""

import mimetypes

import puremagic

from crm_kit.attachments.model import refused

UNKNOWN = "application/octet-stream"
# So much of the beginning says what a file is.
HEAD_BYTES = 4096

# What starts something when it is opened, on one system or another: endings of programs, installers, disks, scripts,
# settings, and of documents that say that they have macros.
_RUNNING = """
app com cpl crx dll dylib elf exe gadget isp jar lib pif pyc run scr so sys vxd wasm xap xll xpi
apk appx appxbundle deb dmg iso msi msix msixbundle msp mst pkg rpm
img udf vhd vhdx xnk
bash bat cmd csh hta js jse ksh mjs nsh osx py pyw rb sct sh vb vbe vbs ws wsc wsf wsh zsh
application appref-ms jnlp msh msh1 msh1xml msh2 mshxml ps1 ps1xml ps2 ps2xml psc1 psc2 psm1
ade adp chm inf ins lnk mde msc reg scf settingcontent-ms url
docm dotm potm ppam ppsm pptm sldm xlam xlsm xltm
"""
RUNNING = frozenset(_RUNNING.split())

# Kinds whose content says what they are -> their media types. A file of such a name has to be one.
PROVEN = {
    "pdf": "application/pdf",
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "zip": "application/zip",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "odt": "application/vnd.oasis.opendocument.text",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
    "odp": "application/vnd.oasis.opendocument.presentation",
    "7z": "application/x-7z-compressed",
    "rar": "application/vnd.rar",
    "gz": "application/gzip",
    "mp4": "video/mp4",
    "wav": "audio/wav",
    "ogg": "audio/ogg",
    "flac": "audio/flac",
}
_ZIPPED = frozenset({"zip", "docx", "xlsx", "pptx", "odt", "ods", "odp"})
# What a browser shows by itself and runs nothing of.
SHOWN_INLINE = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf"})
PREVIEWED = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf"})
_MACH_O = (b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
_PROGRAMS = (b"\x7fELF", b"#!", b"\xef\xbb\xbf#!", b"L\x00\x00\x00\x01\x14\x02\x00", b"\x00asm", b"dex\n", *_MACH_O)


def ending_of(name: str) -> str:
    """`pdf` of `报价单.PDF`; empty where there is none. Dots and blanks at the end mean nothing, as on Windows."""
    return name.rstrip(". ").lower().rpartition(".")[2] if "." in name.rstrip(". ") else ""


def check_name(name: str) -> None:
    """InvalidArgument for the name of something that runs."""
    ending = ending_of(name)
    if ending in RUNNING:
        raise refused("runs", f"files that run something are not taken: .{ending}", ending=f".{ending}")


def check_content(name: str, head: bytes) -> None:
    """InvalidArgument for what runs, and for what is not what its name says, by the first bytes of it."""
    if is_program(head):
        raise refused("program", "the file is a program, whatever its name says, and programs are not taken")
    ending = ending_of(name)
    if ending in PROVEN and ending not in _endings(head):
        raise refused(
            "mismatch", f"the file is called .{ending} and its content is something else", ending=f".{ending}"
        )


def is_program(head: bytes) -> bool:
    """Whether a file runs when it is started, on Windows, Linux or macOS."""
    if head.startswith(b"MZ"):
        # Texts may begin so; programs have no line of text there.
        return b"\x00" in head[:64]
    return head.startswith(_PROGRAMS)


def type_of(name: str, head: bytes) -> str:
    """The media type of a file that was found to be what its name says."""
    ending = ending_of(name)
    if ending in PROVEN:
        return PROVEN[ending]
    found = _endings(head)
    by_content = next((PROVEN[each] for each in PROVEN if each in found and each not in _ZIPPED), None)
    if by_content is not None:
        return by_content
    by_name, coding = mimetypes.guess_type(f"x.{ending}", strict=True)
    return UNKNOWN if by_name is None or coding is not None else by_name


def _endings(head: bytes) -> frozenset[str]:
    """What files may be called that begin so; nothing for most texts."""
    if not head:
        return frozenset()
    try:
        found = frozenset(each.extension.lstrip(".") for each in puremagic.magic_string(head))
    except puremagic.PureError:
        return frozenset()
    return found | _ZIPPED if "zip" in found else found
