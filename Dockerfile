# Two stages: the first one builds, and the second one contains only what the service needs at run
# time. All packages are pinned and hashed for any platform (`make requirements`). pip's own
# configuration says from which registry they come.
ARG BASE_IMAGE=python:3.13-slim

FROM ${BASE_IMAGE} AS build
WORKDIR /src
# The compiler of the hot modules. The second stage does not contain it.
RUN apt-get update -qq && apt-get install -qq --no-install-recommends gcc libc6-dev >/dev/null
COPY requirements.txt requirements-build.txt ./
RUN python3 -m venv /opt/build && python3 -m venv --without-pip /opt/jitsi-verifier \
 && /opt/build/bin/pip install --quiet --no-cache-dir --require-hashes -r requirements-build.txt \
 && /opt/build/bin/pip --python /opt/jitsi-verifier/bin/python install --quiet --no-cache-dir \
      --no-compile --require-hashes -r requirements.txt
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY verifier ./verifier
RUN HATCH_BUILD_HOOK_ENABLE_CUSTOM=true /opt/build/bin/pip wheel --quiet --no-build-isolation --no-deps --wheel-dir /dist . \
 && /opt/build/bin/pip --python /opt/jitsi-verifier/bin/python install --quiet --no-cache-dir \
      --no-compile --no-deps --no-index /dist/*.whl \
 && /opt/jitsi-verifier/bin/python -m compileall -q --invalidation-mode unchecked-hash \
      /opt/jitsi-verifier/lib

FROM ${BASE_IMAGE}
# A new volume at /var/lib/jitsi-verifier gets this folder's owner.
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin verifier \
 && install -d -o 10001 -g 10001 -m 0700 /var/lib/jitsi-verifier
COPY --from=build /opt/jitsi-verifier /opt/jitsi-verifier
ENV PATH=/opt/jitsi-verifier/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    VERIFIER_LISTEN=0.0.0.0:8090
USER 10001
EXPOSE 8090
STOPSIGNAL SIGTERM
# Asks the decision address, because the admin address may be a unix socket or another address.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["python3", "-c", "import sys, urllib.request as u; sys.exit(u.urlopen('http://127.0.0.1:8090/healthz', timeout=2).status != 200)"]
ENTRYPOINT ["jitsi-verifier"]
CMD ["serve"]
