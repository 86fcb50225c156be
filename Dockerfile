# Two stages: the first builds a virtual environment from the lock file, the second has only that and the intent files.
FROM python:3.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /src
RUN python -m venv /opt/firstline
COPY requirements/run.txt requirements/run.txt
RUN /opt/firstline/bin/pip install --require-hashes --requirement requirements/run.txt
COPY pyproject.toml README.md LICENSE ./
COPY intents intents
COPY adapters adapters
COPY bot bot
RUN /opt/firstline/bin/pip install --no-build-isolation --no-deps .

FROM python:3.13-slim-bookworm
RUN groupadd --gid 10001 firstline \
 && useradd --uid 10001 --gid firstline --no-create-home --shell /usr/sbin/nologin firstline \
 && install --directory --owner firstline --group firstline /data
COPY --from=build /opt/firstline /opt/firstline
# Yours to edit: mount a folder of your own here and it takes the place of these.
COPY --chown=root:root intents /intents
ENV PATH=/opt/firstline/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    FIRSTLINE_DATA=/data \
    FIRSTLINE_INTENTS=/intents \
    FIRSTLINE_LOG_FORMAT=json
USER 10001:10001
WORKDIR /data
VOLUME /data
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=90s --retries=3 CMD ["firstline", "health"]
ENTRYPOINT ["firstline"]
CMD ["run"]
