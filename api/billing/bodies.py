"""Amounts of money as a tenant reads them."""

from api.http.validation import ResponseBody


class CostBody(ResponseBody):
    """What it costs now, while it is as it was ordered."""

    hourly: str
    """A decimal number."""
    currency: str
