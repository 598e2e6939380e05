"""Pages of lists that the gateway reads by itself: they get smaller when one is too large for a message."""

import time
from typing import Any

import grpc

from crm_gateway.channels import Call, Metadata, Reply
from crm_gateway.problems import is_too_large


async def read_page(call: Call, request: Any, metadata: Metadata, seconds: float) -> Reply:
    """The page that a request asks for; AioRpcError when it is refused, or when even one record is too large.

    `page_size`, which has to be set, is halved until the page fits, and stays so for the next one.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            return await call(request, metadata, max(0.0, end - time.monotonic()))
        except grpc.aio.AioRpcError as error:
            if request.page_size <= 1 or not is_too_large(error):
                raise
            request.page_size //= 2
