"""The factory's PKI over HTTP: revocation lists, OCSP and CA certificates for everybody, enrolment (EST) over TLS.

`serve(factory, options)` blocks until SIGTERM or SIGINT. Whatever a client sends or withholds harms its own connection
only: bodies, headers, connections, waiting work and every time are bounded.
"""

from pki.service.app import Options, publish_all, status_authorities
from pki.service.listener import Limits
from pki.service.serve import Service, serve

__all__ = ["Limits", "Options", "Service", "publish_all", "serve", "status_authorities"]
