"""PortOne V1 (api.iamport.kr) behind the Gateway port."""

from billing_worker.adapters.portone.gateway import PortOneGateway

__all__ = ["PortOneGateway"]
