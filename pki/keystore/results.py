"""What a PKCS#11 module answers when it refuses, and which answers mean that the token is away."""

from pkcs11 import Mechanism

RESULTS = {
    0x002: "CKR_HOST_MEMORY",
    0x003: "CKR_SLOT_ID_INVALID",
    0x005: "CKR_GENERAL_ERROR",
    0x006: "CKR_FUNCTION_FAILED",
    0x007: "CKR_ARGUMENTS_BAD",
    0x010: "CKR_ATTRIBUTE_READ_ONLY",
    0x011: "CKR_ATTRIBUTE_SENSITIVE",
    0x012: "CKR_ATTRIBUTE_TYPE_INVALID",
    0x013: "CKR_ATTRIBUTE_VALUE_INVALID",
    0x01B: "CKR_ACTION_PROHIBITED",
    0x020: "CKR_DATA_INVALID",
    0x021: "CKR_DATA_LEN_RANGE",
    0x030: "CKR_DEVICE_ERROR",
    0x031: "CKR_DEVICE_MEMORY",
    0x032: "CKR_DEVICE_REMOVED",
    0x050: "CKR_FUNCTION_CANCELED",
    0x054: "CKR_FUNCTION_NOT_SUPPORTED",
    0x060: "CKR_KEY_HANDLE_INVALID",
    0x062: "CKR_KEY_SIZE_RANGE",
    0x063: "CKR_KEY_TYPE_INCONSISTENT",
    0x068: "CKR_KEY_FUNCTION_NOT_PERMITTED",
    0x069: "CKR_KEY_NOT_WRAPPABLE",
    0x06A: "CKR_KEY_UNEXTRACTABLE",
    0x070: "CKR_MECHANISM_INVALID",
    0x071: "CKR_MECHANISM_PARAM_INVALID",
    0x082: "CKR_OBJECT_HANDLE_INVALID",
    0x090: "CKR_OPERATION_ACTIVE",
    0x091: "CKR_OPERATION_NOT_INITIALIZED",
    0x0A0: "CKR_PIN_INCORRECT",
    0x0A1: "CKR_PIN_INVALID",
    0x0A2: "CKR_PIN_LEN_RANGE",
    0x0A3: "CKR_PIN_EXPIRED",
    0x0A4: "CKR_PIN_LOCKED",
    0x0B0: "CKR_SESSION_CLOSED",
    0x0B1: "CKR_SESSION_COUNT",
    0x0B3: "CKR_SESSION_HANDLE_INVALID",
    0x0B5: "CKR_SESSION_READ_ONLY",
    0x0D0: "CKR_TEMPLATE_INCOMPLETE",
    0x0D1: "CKR_TEMPLATE_INCONSISTENT",
    0x0E0: "CKR_TOKEN_NOT_PRESENT",
    0x0E1: "CKR_TOKEN_NOT_RECOGNIZED",
    0x0E2: "CKR_TOKEN_WRITE_PROTECTED",
    0x100: "CKR_USER_ALREADY_LOGGED_IN",
    0x101: "CKR_USER_NOT_LOGGED_IN",
    0x102: "CKR_USER_PIN_NOT_INITIALIZED",
    0x103: "CKR_USER_TYPE_INVALID",
    0x104: "CKR_USER_ANOTHER_ALREADY_LOGGED_IN",
    0x113: "CKR_WRAPPING_KEY_HANDLE_INVALID",
    0x115: "CKR_WRAPPING_KEY_TYPE_INCONSISTENT",
    0x130: "CKR_DOMAIN_PARAMS_INVALID",
    0x140: "CKR_CURVE_NOT_SUPPORTED",
    0x150: "CKR_BUFFER_TOO_SMALL",
    0x190: "CKR_CRYPTOKI_NOT_INITIALIZED",
    0x191: "CKR_CRYPTOKI_ALREADY_INITIALIZED",
}
SESSION_CLOSED = 0x0B0
ALREADY_LOGGED_IN = 0x100
FULL = frozenset({0x006, 0x031})
"""Answers of a token that has no room for a further object."""
PIN_REFUSED = frozenset({0x0A0, 0x0A1, 0x0A2, 0x0A3, 0x0A4})
UNREADABLE = frozenset({0x005, 0x006, 0x012, 0x082})
"""Answers of one damaged or vanished object; its neighbours may be whole."""
AWAY = frozenset(
    {0x002, 0x003, 0x005, 0x006, 0x030, 0x031, 0x032, 0x050, 0x060, 0x082, 0x090, 0x0B0, 0x0B1, 0x0B3}
    | {0x0E0, 0x0E1, 0x101, 0x113, 0x190}
)
"""Answers after which nothing that was opened before can be trusted to be there."""


class CryptokiError(Exception):
    """A call that the module refused; never leaves this package."""

    def __init__(self, code: int, function: str = "", mechanism: int | None = None) -> None:
        self.code = code
        self.function = function
        self.mechanism = mechanism
        super().__init__(code, function, mechanism)

    def __str__(self) -> str:
        """Return call, mechanism and answer by the standard's names."""
        result = RESULTS.get(self.code, f"0x{self.code:x}")
        if self.mechanism is None:
            return f"C_{self.function} {result}"
        known = self.mechanism in Mechanism.__members__.values()
        return f"{f'CKM_{Mechanism(self.mechanism).name}' if known else f'0x{self.mechanism:x}'} {result}"

    @property
    def away(self) -> bool:
        """Tell whether the token or its sessions seem to be gone, rather than that it can't do what was asked."""
        return self.code in AWAY or self.code not in RESULTS
