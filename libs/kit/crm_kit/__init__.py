"""What all services share; no business noun in it."""

import os

# Before gRPC is imported. It prepares for children that go on calling: in a child that is only to run another program
# that is needless, and once in two hundred times the child ended there with a segmentation fault.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
