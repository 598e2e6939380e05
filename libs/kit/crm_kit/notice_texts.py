"""The sentences of notices, in each language: what a notification is called, and the subject of its mail."""

import enum
from collections.abc import Mapping
from typing import Literal

Language = Literal["en", "zh"]
# Values that sentences go by: what it is about, such as what people call the record or the verb, and how it ended.
WHAT: Mapping[Language, str] = {"en": "what_en", "zh": "what_zh"}
OUTCOME = "outcome"
# The outcome of what is told of many records at once.
TOGETHER = "TOGETHER"


class NoticeKind(enum.StrEnum):
    """As in the contract (`crm.type.v1.NoticeKind`)."""

    APPROVAL_WAITING = "APPROVAL_WAITING"
    APPROVAL_DECIDED = "APPROVAL_DECIDED"
    APPROVAL_OVERDUE = "APPROVAL_OVERDUE"
    APPROVAL_REMINDER = "APPROVAL_REMINDER"
    RECORD_ASSIGNED = "RECORD_ASSIGNED"
    MENTIONED = "MENTIONED"
    COMMENTED = "COMMENTED"
    AUTOMATION = "AUTOMATION"
    AUTOMATION_STOPPED = "AUTOMATION_STOPPED"
    WEBHOOK_DISABLED = "WEBHOOK_DISABLED"
    IMPORT_ENDED = "IMPORT_ENDED"
    REPORT_READY = "REPORT_READY"
    JOB_ENDED = "JOB_ENDED"
    TEAM_JOINED = "TEAM_JOINED"
    MAILBOX_FAILING = "MAILBOX_FAILING"
    CHANGE_PROPOSED = "CHANGE_PROPOSED"
    CHANGE_PROPOSAL_DECIDED = "CHANGE_PROPOSAL_DECIDED"
    TASK_ASSIGNED = "TASK_ASSIGNED"
    TASK_REMINDER = "TASK_REMINDER"
    TASK_OVERDUE = "TASK_OVERDUE"
    TASK_ENDED = "TASK_ENDED"
    CALL_MISSED = "CALL_MISSED"
    REPLY_UNDELIVERED = "REPLY_UNDELIVERED"
    FEED_LATE = "FEED_LATE"
    FEED_SHORT = "FEED_SHORT"
    FEED_REPEATED = "FEED_REPEATED"
    FEED_HELD = "FEED_HELD"
    FEED_FAILED = "FEED_FAILED"
    DEPUTY_NAMED = "DEPUTY_NAMED"


# By kind, or by kind and outcome.
SENTENCES: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "APPROVAL_WAITING": "Waits for your approval",
        "APPROVAL_DECIDED": "Your approval is decided",
        "APPROVAL_DECIDED.APPROVED": "Approved",
        "APPROVAL_DECIDED.REJECTED": "Rejected",
        "APPROVAL_DECIDED.WITHDRAWN": "Approval withdrawn",
        "APPROVAL_DECIDED.OUTDATED": "Not decided, since the record has changed",
        "APPROVAL_OVERDUE": "Approval overdue",
        "APPROVAL_REMINDER": "Approval due soon",
        "RECORD_ASSIGNED": "Assigned to you",
        "RECORD_ASSIGNED.TOGETHER": "Several assigned to you together",
        "MENTIONED": "You are mentioned",
        "COMMENTED": "New comment",
        "AUTOMATION": "From an automation rule",
        "AUTOMATION_STOPPED": "Automation rule stopped",
        "WEBHOOK_DISABLED": "Webhook switched off",
        "WEBHOOK_DISABLED.FAILING": "Webhook switched off, since nothing arrived for three days",
        "WEBHOOK_DISABLED.GONE": "Webhook switched off, since its receiver is gone",
        "WEBHOOK_DISABLED.LOST_RIGHTS": "Webhook switched off, since who enabled it may not read all it hears of",
        "IMPORT_ENDED": "Import ended",
        "IMPORT_ENDED.SUCCEEDED": "Import succeeded",
        "IMPORT_ENDED.FAILED": "Import failed",
        "REPORT_READY": "Report ready",
        "TEAM_JOINED": "You are in the team of an account",
        "JOB_ENDED": "Job ended",
        "JOB_ENDED.SUCCEEDED": "Bulk change done",
        "JOB_ENDED.FAILED": "Bulk change failed",
        "JOB_ENDED.CANCELLED": "Bulk change cancelled",
        "JOB_ENDED.EXPORT_SUCCEEDED": "Export ready",
        "JOB_ENDED.EXPORT_FAILED": "Export failed",
        "JOB_ENDED.EXPORT_CANCELLED": "Export cancelled",
        "JOB_ENDED.DUPLICATE_SCAN_SUCCEEDED": "Search for duplicates done",
        "JOB_ENDED.DUPLICATE_SCAN_FAILED": "Search for duplicates failed",
        "JOB_ENDED.DUPLICATE_SCAN_CANCELLED": "Search for duplicates cancelled",
        "CALL_MISSED": "Missed call",
        "MAILBOX_FAILING": "Mailbox cannot be fetched",
        "MAILBOX_FAILING.LOGIN_REFUSED": "Mailbox cannot be fetched, since its password is refused",
        "MAILBOX_FAILING.FOLDER_MISSING": "Mailbox cannot be fetched, since its folder does not exist",
        "MAILBOX_FAILING.NOT_TRUSTED": "Mailbox cannot be fetched, since the certificate of its server does not hold",
        "MAILBOX_FAILING.KEY_CHANGED": "Mailbox cannot be fetched, since its password has to be set again",
        "MAILBOX_FAILING.SENDING": "Mailbox cannot send, and answers wait",
        "CHANGE_PROPOSED": "A change is proposed",
        "CHANGE_PROPOSED.ESCALATED": "A change was proposed, and nobody has answered",
        "CHANGE_PROPOSAL_DECIDED": "Your proposal is decided",
        "CHANGE_PROPOSAL_DECIDED.ACCEPTED": "Your proposal is accepted",
        "CHANGE_PROPOSAL_DECIDED.PARTLY_ACCEPTED": "Your proposal is accepted in part",
        "CHANGE_PROPOSAL_DECIDED.DECLINED": "Your proposal is declined",
        "TASK_ASSIGNED": "A task for you",
        "TASK_ASSIGNED.TOGETHER": "Several tasks for you",
        "TASK_REMINDER": "Task due soon",
        "TASK_OVERDUE": "Task overdue",
        "TASK_ENDED": "Your task has ended",
        "TASK_ENDED.DONE": "Your task is done",
        "TASK_ENDED.CANCELLED": "Your task is cancelled",
        "REPLY_UNDELIVERED": "What you wrote to a customer did not reach everybody",
        "REPLY_UNDELIVERED.FAILED": "What you wrote to a customer could not be sent",
        "REPLY_UNDELIVERED.BOUNCED": "What you wrote to a customer came back",
        "DEPUTY_NAMED": "You stand in for approvals of",
        "REPORT_READY.FAILED": "Report could not be made",
        "REPORT_READY.ENDED": "Report is sent no longer to who may not read it",
        "FEED_LATE": "Feed has not brought what was expected",
        "FEED_SHORT": "Feed delivery has fewer rows than expected",
        "FEED_REPEATED": "Feed delivery came again",
        "FEED_HELD": "Feed delivery waits to be released",
        "FEED_HELD.TOTALS_DIFFER": "Feed delivery waits to be released, since its control totals differ",
        "FEED_HELD.KEYS_MISSING": "Feed delivery waits to be released, since rows have no key",
        "FEED_HELD.OUT_OF_ORDER": "Feed delivery waits to be released, since a newer day is in",
        "FEED_FAILED": "Feed delivery failed",
        "FEED_FAILED.LOST_RIGHTS": "Feed paused, since who activated it may not write its rows",
    },
    "zh": {
        "APPROVAL_WAITING": "待您审批",
        "APPROVAL_DECIDED": "您的审批有结果",
        "APPROVAL_DECIDED.APPROVED": "审批通过",
        "APPROVAL_DECIDED.REJECTED": "审批被拒绝",
        "APPROVAL_DECIDED.WITHDRAWN": "审批已撤回",
        "APPROVAL_DECIDED.OUTDATED": "记录已变更，审批失效",
        "APPROVAL_OVERDUE": "审批超时",
        "APPROVAL_REMINDER": "审批即将到期",
        "RECORD_ASSIGNED": "已分配给您",
        "RECORD_ASSIGNED.TOGETHER": "已批量分配给您",
        "MENTIONED": "有人提到您",
        "COMMENTED": "新评论",
        "AUTOMATION": "自动化通知",
        "AUTOMATION_STOPPED": "自动化规则已停止",
        "WEBHOOK_DISABLED": "Webhook已停用",
        "WEBHOOK_DISABLED.FAILING": "Webhook已停用：连续三天投递失败",
        "WEBHOOK_DISABLED.GONE": "Webhook已停用：接收方已注销",
        "WEBHOOK_DISABLED.LOST_RIGHTS": "Webhook已停用：启用人已无权读取全部相关记录",
        "IMPORT_ENDED": "导入结束",
        "IMPORT_ENDED.SUCCEEDED": "导入成功",
        "IMPORT_ENDED.FAILED": "导入失败",
        "REPORT_READY": "报表已生成",
        "TEAM_JOINED": "您已加入客户小组",
        "JOB_ENDED": "任务结束",
        "JOB_ENDED.SUCCEEDED": "批量修改完成",
        "JOB_ENDED.FAILED": "批量修改失败",
        "JOB_ENDED.CANCELLED": "批量修改已取消",
        "JOB_ENDED.EXPORT_SUCCEEDED": "导出完成",
        "JOB_ENDED.EXPORT_FAILED": "导出失败",
        "JOB_ENDED.EXPORT_CANCELLED": "导出已取消",
        "JOB_ENDED.DUPLICATE_SCAN_SUCCEEDED": "全量查重完成",
        "JOB_ENDED.DUPLICATE_SCAN_FAILED": "全量查重失败",
        "JOB_ENDED.DUPLICATE_SCAN_CANCELLED": "全量查重已取消",
        "CALL_MISSED": "未接来电",
        "MAILBOX_FAILING": "邮箱收取失败",
        "MAILBOX_FAILING.LOGIN_REFUSED": "邮箱收取失败：密码被拒绝",
        "MAILBOX_FAILING.FOLDER_MISSING": "邮箱收取失败：文件夹不存在",
        "MAILBOX_FAILING.NOT_TRUSTED": "邮箱收取失败：服务器证书不可信",
        "MAILBOX_FAILING.KEY_CHANGED": "邮箱收取失败：请重新设置密码",
        "MAILBOX_FAILING.SENDING": "邮箱无法发信，回复在等待",
        "CHANGE_PROPOSED": "有人反馈了资料",
        "CHANGE_PROPOSED.ESCALATED": "资料反馈无人处理，已上报给您",
        "CHANGE_PROPOSAL_DECIDED": "您反馈的资料有结果",
        "CHANGE_PROPOSAL_DECIDED.ACCEPTED": "您反馈的资料已采纳",
        "CHANGE_PROPOSAL_DECIDED.PARTLY_ACCEPTED": "您反馈的资料已部分采纳",
        "CHANGE_PROPOSAL_DECIDED.DECLINED": "您反馈的资料未被采纳",
        "TASK_ASSIGNED": "您有新待办",
        "TASK_ASSIGNED.TOGETHER": "您有多项新待办",
        "TASK_REMINDER": "待办即将到期",
        "TASK_OVERDUE": "待办已逾期",
        "TASK_ENDED": "您创建的待办已结束",
        "TASK_ENDED.DONE": "您创建的待办已完成",
        "TASK_ENDED.CANCELLED": "您创建的待办已取消",
        "REPLY_UNDELIVERED": "您给客户的回复未能送达所有人",
        "REPLY_UNDELIVERED.FAILED": "您给客户的回复发送失败",
        "REPLY_UNDELIVERED.BOUNCED": "您给客户的回复被退回",
        "DEPUTY_NAMED": "您被指定为审批代理人",
        "REPORT_READY.FAILED": "报表生成失败",
        "REPORT_READY.ENDED": "报表已停止发送给无权查看的人",
        "FEED_LATE": "数据源未按时到达",
        "FEED_SHORT": "数据交付行数偏少",
        "FEED_REPEATED": "数据交付重复",
        "FEED_HELD": "数据交付待放行",
        "FEED_HELD.TOTALS_DIFFER": "数据交付待放行：与控制总数不符",
        "FEED_HELD.KEYS_MISSING": "数据交付待放行：有行缺少编号",
        "FEED_HELD.OUT_OF_ORDER": "数据交付待放行：更新日期的数据已入库",
        "FEED_FAILED": "数据交付失败",
        "FEED_FAILED.LOST_RIGHTS": "数据源已暂停：启用人已无权写入",
    },
}
CHINESE_REGIONS = ("CN", "HK", "MO", "TW")
COLONS: Mapping[Language, str] = {"en": ": ", "zh": "："}


def title_of(kind: str, record_title: str, values: Mapping[str, str], language: Language) -> str:
    """What a notice says in one line: `Approved: Release order`, `Assigned to you: Lead 张伟`."""
    sentences = SENTENCES[language]
    said = sentences.get(f"{kind}.{values.get(OUTCOME, '')}") or sentences[kind]
    about = " ".join(filter(None, (values.get(WHAT[language], ""), record_title)))
    return f"{said}{COLONS[language]}{about}" if about else said


def language_of_region(region_code: str) -> Language:
    """The language of a tenant's country, for who has chosen none."""
    return "zh" if region_code in CHINESE_REGIONS else "en"
