# syntax=docker/dockerfile:1
FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --profile dist --locked && install -D target/dist/costlake /out/costlake

# Not distroless: a health check needs something in the image that can open a connection, and bash can.
FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 65532 costlake \
    && useradd --uid 65532 --gid 65532 --no-log-init --create-home --home-dir /home/costlake --shell /usr/sbin/nologin costlake \
    && install --directory --owner=65532 --group=65532 /lake
COPY --from=build /out/costlake /usr/local/bin/costlake
COPY jobs /etc/costlake/jobs
USER 65532:65532
WORKDIR /home/costlake
ENV COSTLAKE_JOBS=/etc/costlake/jobs COSTLAKE_LAKE=/lake
VOLUME /lake
ENTRYPOINT ["costlake"]
CMD ["--help"]
