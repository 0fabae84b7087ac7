"""The facilitator's day and week."""
