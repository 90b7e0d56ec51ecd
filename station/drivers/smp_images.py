"""The device's firmware slots as it lists them, bounded."""

from smp.image_management import ImageState as SmpImageState
from smp.image_management import ImageStatesReadResponse

from station.drivers.smp_messages import printable
from station.errors import Defect, UnitError
from station.model import ImageState

MOST_SLOTS, MOST_IMAGES = 8, 4
LONGEST_VERSION, LONGEST_DIGEST = 32, 64


def image_states(answer: ImageStatesReadResponse) -> tuple[ImageState, ...]:
    """Translate the list of slots, the application's first.

    Raises:
        UnitError: The list is not believable.
    """
    if len(answer.images) > MOST_SLOTS or not all(_believable(image) for image in answer.images):
        raise UnitError(Defect.PROTOCOL, "The charger's list of firmware slots is not valid.")
    states = [
        ImageState(
            slot=image.slot,
            version=image.version,
            digest=bytes(image.hash or b""),
            active=bool(image.active),
            confirmed=bool(image.confirmed),
            pending=bool(image.pending),
            image=image.image or 0,
        )
        for image in answer.images
    ]
    if len({(state.image, state.slot) for state in states}) != len(states):
        raise UnitError(Defect.PROTOCOL, "The charger lists a firmware slot twice.")
    return tuple(sorted(states, key=lambda state: (state.image, state.slot)))


def _believable(image: SmpImageState) -> bool:
    try:
        printable(image.version)
    except ValueError:
        return False
    return (
        0 <= image.slot < MOST_SLOTS
        and 0 <= (image.image or 0) < MOST_IMAGES
        and len(image.version) <= LONGEST_VERSION
        and len(image.hash or b"") <= LONGEST_DIGEST
    )
