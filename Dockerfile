# docker build -t nspd . && docker run --rm -v nspd-socket:/run/nspd nspd
# Another container with that volume then reaches the daemon: nspctl query localhost

# Compiled (README, "Run it"), for which this one has a C compiler.
FROM python:3.13 AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY nspd nspd
RUN python -m venv /opt/nspd \
    && HATCH_BUILD_HOOKS_ENABLE=1 /opt/nspd/bin/pip install --no-cache-dir .

FROM python:3.13-slim
RUN groupadd --system --gid 990 nspd \
    && useradd --system --uid 990 --gid nspd --home-dir /var/lib/nspd --shell /usr/sbin/nologin nspd \
    && install -d -o nspd -g nspd -m 0755 /run/nspd \
    && install -d -o nspd -g nspd -m 0750 /var/lib/nspd
COPY --from=build /opt/nspd /opt/nspd
COPY config/container.toml /etc/nspd/nspd.toml
ENV PATH=/opt/nspd/bin:$PATH \
    PYTHONUNBUFFERED=1
USER nspd
VOLUME ["/run/nspd", "/var/lib/nspd"]
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=5s \
    CMD ["nspctl", "--socket", "/run/nspd/nspd.sock", "--quiet", "status"]
ENTRYPOINT ["nspd"]
CMD ["serve", "--config", "/etc/nspd/nspd.toml"]
