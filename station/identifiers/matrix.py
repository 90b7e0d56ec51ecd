"""The check character of contract IDs (eMAID): sums of matrix powers over the fields of two and of three elements.

Each of 36 characters is two bits and two ternary digits. A character at position i (from 1) is multiplied by the i-th
power of a matrix; the check character at position 15 makes both sums zero. The matrix modulo 2 has order 3, so its
15th power is the identity; that of the matrix modulo 3 is inverted below.
"""

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
Pair = tuple[int, int]
Matrix = tuple[Pair, Pair]
BINARY: Matrix = ((0, 1), (1, 1))
TERNARY: Matrix = ((0, 1), (1, 2))
TERNARY_AT_15: Matrix = ((0, 2), (2, 1))
"""Takes a sum modulo 3 to the character that makes it zero at position 15."""


def matrix_check(text: str) -> str:
    """Return the check character of 14 capital letters and digits."""
    bits, trits = (0, 0), (0, 0)
    for char in reversed(text):  # Horner's rule: the power of the matrix rises by one with each character
        value = ALPHABET.index(char)
        bits = _times(_plus(bits, divmod(value // 9, 2), 2), BINARY, 2)
        trits = _times(_plus(trits, divmod(value % 9, 3), 3), TERNARY, 3)
    high, low = bits, _times(trits, TERNARY_AT_15, 3)
    return ALPHABET[(high[0] * 2 + high[1]) * 9 + low[0] * 3 + low[1]]


def _plus(left: Pair, right: Pair, modulus: int) -> Pair:
    return (left[0] + right[0]) % modulus, (left[1] + right[1]) % modulus


def _times(row: Pair, matrix: Matrix, modulus: int) -> Pair:
    (a, b), (c, d) = matrix
    return (row[0] * a + row[1] * c) % modulus, (row[0] * b + row[1] * d) % modulus
