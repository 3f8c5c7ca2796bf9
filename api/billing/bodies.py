"""Amounts of money as a tenant reads them."""

from api.http.validation import ResponseBody


class CostBody(ResponseBody):
    """The current price."""

    hourly: str
    """The price per hour, as a decimal number."""
    currency: str
