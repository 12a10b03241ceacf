"""Stripe: payments are PaymentIntents, made by the shop and driven from here."""

from oms_adapters.payments.stripe.provider import StripePayments

__all__ = ["StripePayments"]
