"""The tables of who may trade, and on what terms."""

from accounts.models.account import (
    ACCOUNT_MODELS,
    AccountStatus,
    CopyFollowerAccount,
    DemoAccount,
    LiveAccount,
    Routing,
    StrategyProviderAccount,
    TradingAccount,
    model_of,
    rows_of,
    table_of,
)
from accounts.models.api_key import ApiKey, Scope
from accounts.models.audit_entry import AuditEntry
from accounts.models.currency import Currency
from accounts.models.group import CommissionKind, CommissionTiming, Group, GroupInstrument, HedgingModeChoice, SwapKind
from accounts.models.halt import Halt
from accounts.models.instrument import Instrument, InstrumentClass
from accounts.models.user import Role, User

__all__ = [
    "ACCOUNT_MODELS",
    "AccountStatus",
    "ApiKey",
    "AuditEntry",
    "CommissionKind",
    "CommissionTiming",
    "CopyFollowerAccount",
    "Currency",
    "DemoAccount",
    "Group",
    "GroupInstrument",
    "Halt",
    "HedgingModeChoice",
    "Instrument",
    "InstrumentClass",
    "LiveAccount",
    "Role",
    "Routing",
    "Scope",
    "StrategyProviderAccount",
    "SwapKind",
    "TradingAccount",
    "User",
    "model_of",
    "rows_of",
    "table_of",
]
