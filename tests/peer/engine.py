"""One side of a TLS session in memory, octets in and octets out.

OpenSSL itself is asked, since Python's ssl module knows neither renegotiation nor key updates.

    engine = Engine(Context(paper)) # a server; Engine(Context()): a client who believes anybody
    engine.feed(received)
    engine.shake()          # True: the handshake is done
    send(engine.take())
"""
import ctypes

_ssl, _crypto = ctypes.CDLL("libssl.so.3"), ctypes.CDLL("libcrypto.so.3")
_P, _I, _L, _B = ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_char_p


def _of(library, result, name, *arguments):
    function = getattr(library, name)
    function.restype, function.argtypes = result, arguments
    return function


_method = _of(_ssl, _P, "TLS_method")
_ctx_new = _of(_ssl, _P, "SSL_CTX_new", _P)
_ctx_free = _of(_ssl, None, "SSL_CTX_free", _P)
_ctx_ctrl = _of(_ssl, _L, "SSL_CTX_ctrl", _P, _I, _L, _P)
_ctx_ciphers = _of(_ssl, _I, "SSL_CTX_set_cipher_list", _P, _B)
_ctx_chain = _of(_ssl, _I, "SSL_CTX_use_certificate_chain_file", _P, _B)
_ctx_key = _of(_ssl, _I, "SSL_CTX_use_PrivateKey_file", _P, _B, _I)
_new = _of(_ssl, _P, "SSL_new", _P)
_free = _of(_ssl, None, "SSL_free", _P)
_set_bio = _of(_ssl, None, "SSL_set_bio", _P, _P, _P)
_accept_state = _of(_ssl, None, "SSL_set_accept_state", _P)
_connect_state = _of(_ssl, None, "SSL_set_connect_state", _P)
_do_handshake = _of(_ssl, _I, "SSL_do_handshake", _P)
_read = _of(_ssl, _I, "SSL_read", _P, _P, _I)
_write = _of(_ssl, _I, "SSL_write", _P, _B, _I)
_shutdown = _of(_ssl, _I, "SSL_shutdown", _P)
_renegotiate = _of(_ssl, _I, "SSL_renegotiate", _P)
_key_update = _of(_ssl, _I, "SSL_key_update", _P, _I)
_version = _of(_ssl, _B, "SSL_get_version", _P)
_get_error = _of(_ssl, _I, "SSL_get_error", _P, _I)
_bio_new = _of(_crypto, _P, "BIO_new", _P)
_bio_mem = _of(_crypto, _P, "BIO_s_mem")
_bio_read = _of(_crypto, _I, "BIO_read", _P, _P, _I)
_bio_write = _of(_crypto, _I, "BIO_write", _P, _B, _I)
_clear = _of(_crypto, None, "ERR_clear_error")
_peek_error = _of(_crypto, ctypes.c_ulong, "ERR_peek_error")
_reason = _of(_crypto, _B, "ERR_reason_error_string", ctypes.c_ulong)

_WANT_READ, _PEM = 2, 1
_MIN_VERSION, _MAX_VERSION = 123, 124 # SSL_CTX_ctrl
_VERSIONS = {"1.1": 0x302, "1.2": 0x303, "1.3": 0x304}
_UPDATE_REQUESTED = 1


class Broken(Exception):
    """The session is no more, with OpenSSL's reason; "": the other side has said goodbye."""


class Context:
    def __init__(self, paper=None, chain=None, version="1.3"):
        """`chain`: a file of certificates, the server's first; `version`: the newest."""
        self.is_server = paper is not None
        self._ctx = _ctx_new(_method())
        assert _ctx_ciphers(self._ctx, b"DEFAULT@SECLEVEL=0") == 1 # or there is no 1.1
        assert _ctx_ctrl(self._ctx, _MIN_VERSION, _VERSIONS["1.1"], None) == 1
        assert _ctx_ctrl(self._ctx, _MAX_VERSION, _VERSIONS[version], None) == 1
        if paper is None:
            return
        assert _ctx_chain(self._ctx, str(chain or paper.certificate).encode()) == 1
        assert _ctx_key(self._ctx, str(paper.key).encode(), _PEM) == 1

    def session(self):
        return _new(self._ctx)

    def __del__(self):
        _ctx_free(self._ctx)


class Engine:
    """For one thread at a time."""

    def __init__(self, context):
        self._ssl = context.session()
        self._in, self._out = _bio_new(_bio_mem()), _bio_new(_bio_mem())
        _set_bio(self._ssl, self._in, self._out) # which owns them from here on
        (_accept_state if context.is_server else _connect_state)(self._ssl)
        self._room = ctypes.create_string_buffer(1 << 16)

    def __del__(self):
        _free(self._ssl)

    def feed(self, octets):
        _bio_write(self._in, octets, len(octets))

    def take(self):
        """All that is to be sent."""
        taken = b""
        while (count := _bio_read(self._out, self._room, len(self._room))) > 0:
            taken += self._room.raw[:count]
        return taken

    def _result(self, done):
        """True, or False: more must be fed."""
        if done > 0:
            return True
        if _get_error(self._ssl, done) != _WANT_READ:
            raise Broken((_reason(_peek_error()) or b"").decode())
        return False

    def shake(self):
        _clear()
        return self._result(_do_handshake(self._ssl))

    def read(self):
        """b"": there is nothing yet."""
        _clear()
        count = _read(self._ssl, self._room, len(self._room))
        return self._room.raw[:count] if self._result(count) else b""

    def write(self, text):
        _clear()
        assert self._result(_write(self._ssl, text, len(text)))

    def say_goodbye(self):
        _clear()
        _shutdown(self._ssl)

    def renegotiate(self):
        """TLS 1.2: a HelloRequest is to be sent."""
        _clear()
        assert _renegotiate(self._ssl) == 1
        self.shake()

    def update_key(self):
        """TLS 1.3: asks for the same from the other side."""
        _clear()
        assert _key_update(self._ssl, _UPDATE_REQUESTED) == 1
        self.shake()

    @property
    def version(self):
        return _version(self._ssl).decode()
