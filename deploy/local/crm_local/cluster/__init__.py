"""The rendered manifests of an overlay, run on this machine as processes: `python -m crm_local.cluster OVERLAY`."""
