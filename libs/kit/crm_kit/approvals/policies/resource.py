"""Approval policies, declared."""

from crm.resource.v1 import approval_policies_pb2 as pb
from crm.resource.v1 import events_pb2 as events
from sqlalchemy import bindparam

from crm_kit.approvals.policies.model import ApprovalPolicy, State
from crm_kit.plumbing import approval_policies
from crm_kit.resource.writing import Resource

POLICIES = Resource(
    "approval_policy",
    entity=ApprovalPolicy,
    table=approval_policies,
    message=pb.ApprovalPolicy,
    created=events.ApprovalPolicyCreated,
    updated=events.ApprovalPolicyUpdated,
    hidden={"state": {State.ARCHIVED}},
    verbs={
        "ArchiveApprovalPolicy": lambda policy, _: policy.archive(),
        "RestoreApprovalPolicy": lambda policy, _: policy.restore(),
    },
)
# Needs the bind parameter `collection`.
OF_COLLECTION = POLICIES.list_of("approval_policies", of=approval_policies.c.collection == bindparam("collection"))
