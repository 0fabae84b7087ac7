# One image for the API (`serve`, the default), the workers (`worker`) and every other command: docker run kindling doctor
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS packages
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
RUN python -m venv /venv
COPY requirements.lock .
# --no-deps: the lock names everything, and one package (data only) declares dependencies that are never used
RUN /venv/bin/pip install --require-hashes --no-deps -r requirements.lock
# what only building and the packages' own tests need: 50 MB
RUN find /venv -type d -name tests -prune -exec rm -rf {} + \
 && /venv/bin/pip uninstall --quiet --yes setuptools pip

FROM python:${PYTHON}-slim
LABEL org.opencontainers.image.title="Kindling" \
      org.opencontainers.image.description="Keeps a community of practice warm by email" \
      org.opencontainers.image.licenses="MIT"
RUN groupadd --system --gid 10001 kindling \
 && useradd --system --uid 10001 --gid kindling --home-dir /var/lib/kindling --shell /usr/sbin/nologin kindling \
 && install -d -o kindling -g kindling -m 700 /var/lib/kindling
WORKDIR /app
COPY --from=packages /venv /venv
COPY LICENSE alembic.ini ./
COPY alembic alembic
COPY email_templates email_templates
COPY service service
COPY workers workers
COPY sandbox sandbox
ENV PATH=/venv/bin:$PATH PYTHONPATH=/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    ENVIRONMENT=production HOST=0.0.0.0 PORT=8000 VAR_DIR=/var/lib/kindling LOG_FORMAT=json
# byte code is made here, since the root file system may be read-only later
RUN python -m compileall -q service workers sandbox
USER 10001:10001
VOLUME ["/var/lib/kindling"]
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/healthz', timeout=4)"]
ENTRYPOINT ["python", "-m", "service.cli"]
CMD ["serve"]
