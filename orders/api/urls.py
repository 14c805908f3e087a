"""Paths under `api/`, none with a trailing slash."""

from django.urls import path

from orders.api import commands, lookups

urlpatterns = [
    path("orders/instant/execute", commands.Execute.as_view(), name="order-execute"),
    path("orders/close", commands.Close.as_view(), name="order-close"),
    path("orders/close-all", commands.CloseEvery.as_view(), name="order-close-all"),
    path("orders/pending/place", commands.Place.as_view(), name="pending-place"),
    path("orders/pending/modify", commands.Modify.as_view(), name="pending-modify"),
    path("orders/pending/cancel", commands.Cancel.as_view(), name="pending-cancel"),
    path("orders/stoploss/add", commands.AddStopLoss.as_view(), name="stop-loss-add"),
    path("orders/stoploss/cancel", commands.CancelStopLoss.as_view(), name="stop-loss-cancel"),
    path("orders/takeprofit/add", commands.AddTakeProfit.as_view(), name="take-profit-add"),
    path("orders/takeprofit/cancel", commands.CancelTakeProfit.as_view(), name="take-profit-cancel"),
    path("orders/<str:order_id>", lookups.OneOrder.as_view(), name="order"),
    path("accounts/<str:user_type>/<str:user_id>", lookups.OneAccount.as_view(), name="account"),
    path("accounts/<str:user_type>/<str:user_id>/transfers", commands.Transfers.as_view(), name="account-transfers"),
]
