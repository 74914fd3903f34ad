"""docker-jitsi-meet's environment works unchanged."""

from verifier.config.load import load

ENV_FILE = """
CONFIG=~/.jitsi-meet-cfg
HTTP_PORT=8000
HTTPS_PORT=8443
TZ=UTC
PUBLIC_URL=https://meet.example.com
ENABLE_LOBBY=1
ENABLE_AUTH=1
ENABLE_GUESTS=0
AUTH_TYPE=jwt
JWT_APP_ID=my_jitsi_app_id
JWT_APP_SECRET=my_jitsi_app_secret
JWT_ACCEPTED_ISSUERS=my_web_client,my_app_client
JWT_ACCEPTED_AUDIENCES=my_server1,my_server2
JWT_ASAP_KEYSERVER=
JWT_ALLOW_EMPTY=0
JWT_AUTH_TYPE=token
JWT_TOKEN_AUTH_MODULE=token_verification
JWT_ENABLE_DOMAIN_VERIFICATION=false
XMPP_DOMAIN=meet.jitsi
XMPP_SERVER=xmpp.meet.jitsi
XMPP_BOSH_URL_BASE=http://xmpp.meet.jitsi:5280
XMPP_AUTH_DOMAIN=auth.meet.jitsi
XMPP_MUC_DOMAIN=muc.meet.jitsi
XMPP_INTERNAL_MUC_DOMAIN=internal-muc.meet.jitsi
XMPP_GUEST_DOMAIN=guest.meet.jitsi
XMPP_MODULES=
JICOFO_AUTH_PASSWORD=aaaa
JVB_AUTH_PASSWORD=bbbb
RESTART_POLICY=unless-stopped
"""


def environment(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.split())


def test_full_env_file_works_unchanged() -> None:
    settings = load(environment(ENV_FILE))
    assert settings.app_id == "my_jitsi_app_id"
    assert settings.app_secret == ("my_jitsi_app_secret",)
    assert settings.signature_algorithm == "HS256"
    assert settings.asap_key_server is None
    assert settings.asap_accepted_issuers == ("my_web_client", "my_app_client")
    assert settings.asap_accepted_audiences == ("my_server1", "my_server2")
    assert not settings.allow_empty_token
    assert not settings.enable_domain_verification
    assert settings.muc_mapper_domain_base == "meet.jitsi"
    assert settings.muc_mapper_domain_prefix == "muc"
    assert settings.muc_mapper_domain == "muc.meet.jitsi"
    text = "a published example: every reader of its document knows it; use it for trials only"
    assert settings.notices == (f"app_secret (JWT_APP_SECRET): {text}",)


def test_env_file_with_a_key_server_works_unchanged() -> None:
    environ = environment(ENV_FILE) | {"JWT_ASAP_KEYSERVER": "https://keys.example.com/asap"}
    settings = load(environ)
    assert settings.signature_algorithm == "RS256"
    assert settings.asap_key_server == "https://keys.example.com/asap"
    assert settings.key_server


def test_quotes_left_by_docker_make_no_difference() -> None:
    plain = load(environment(ENV_FILE))
    quoted = load({name: f'"{value}"' for name, value in environment(ENV_FILE).items()})
    assert quoted.policy() == plain.policy()
    assert quoted.app_secret == plain.app_secret
