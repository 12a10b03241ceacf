"""A small PayPal on 127.0.0.1: it keeps books, remembers keys, and fails as it is told to."""

from tests.support.paypal_double.books import PaypalBooks, Problem
from tests.support.paypal_double.server import CLIENT_ID, CLIENT_SECRET, WEBHOOK_ID, PaypalDouble

__all__ = ["CLIENT_ID", "CLIENT_SECRET", "WEBHOOK_ID", "PaypalBooks", "PaypalDouble", "Problem"]
