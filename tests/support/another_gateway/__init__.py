"""A second gateway, tiny and in the shape of PortOne V2: its books behind real HTTP, and its adapter for the port.

It exists to prove that nothing outside `billing_worker/adapters/portone` knows V1 (docs/decisions/0038). It is no V2
adapter: it has only what the contract of the port asks for.
"""

from tests.support.another_gateway.books import Books, Try
from tests.support.another_gateway.gateway import AnotherGateway
from tests.support.another_gateway.server import SECRET, serving

__all__ = ["SECRET", "AnotherGateway", "Books", "Try", "serving"]
