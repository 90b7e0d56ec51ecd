"""The key ceremony: what it makes, in which parts, from which reviewed file, and the transcript that it leaves."""

from pki.ceremony.hold import Occasion, hold_ceremony, publish_root_lists, renew

__all__ = ["Occasion", "hold_ceremony", "publish_root_lists", "renew"]
