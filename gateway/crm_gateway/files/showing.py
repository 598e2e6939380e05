"""What is said of a file that is handed out, so that no browser runs anything of it."""

from urllib.parse import quote

# What browsers show by themselves and run nothing of. All else is saved.
SHOWN_INLINE = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
# What browsers run when they come to show it all the same: nobody is told that it is that.
_ACTIVE = ("html", "xml", "svg", "script", "flash")
UNKNOWN = "application/octet-stream"


def headers_of(name: str, content_type: str, etag: str) -> dict[str, str]:
    """The headers of a file's answer but its length, for a name and a type that anybody may have made up."""
    is_inline = content_type in SHOWN_INLINE
    return {
        "content-type": told_type(content_type),
        "content-disposition": disposition(name, inline=is_inline),
        # As a document of its own it has no origin, no script and nothing that it may load.
        "content-security-policy": "default-src 'none'; sandbox",
        "accept-ranges": "bytes",
        "etag": etag,
        "cache-control": "private, no-cache",
    }


def told_type(content_type: str) -> str:
    """The media type that is told of a file."""
    return UNKNOWN if any(each in content_type for each in _ACTIVE) else content_type


def disposition(name: str, *, inline: bool) -> str:
    """`Content-Disposition` as RFC 6266 has it, with the name in ASCII for who reads no other."""
    plain = "".join(each if each.isascii() and each.isprintable() and each not in '"\\%' else "_" for each in name)
    kind = "inline" if inline else "attachment"
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
