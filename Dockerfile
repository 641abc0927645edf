# Two targets:
#
#   docker build --tag costlake .                       build, the default: compiles this source, which takes minutes
#   docker build --tag costlake --target packaged .     packaged: takes a program that has been built already
#
# `packaged` expects packaged/costlake and packaged/ca-certificates.crt in this folder and installs nothing. Both images
# hold the program, the C library, certificate authorities and a user; no shell, no package manager and no job files.
#
# BuildKit is not needed. A builder without it goes through every stage above its target, so `packaged` stands first, and
# to compile the source such a builder needs --build-arg PACKAGED=no, which docker-compose.yml gives.

FROM debian:bookworm-slim AS root
ARG PACKAGED=yes
COPY LICENSE-APACHE LICENSE-MIT packaged/costlak[e] packaged/ca-certificates.cr[t] /taken/
RUN set -eu; \
    for file in /taken/costlake /taken/ca-certificates.crt; do \
      if [ "$PACKAGED" != no ] && [ ! -s "$file" ]; then \
        echo "packaged/${file#/taken/} is missing. To compile the source without BuildKit: --build-arg PACKAGED=no" >&2; \
        exit 1; \
      fi; \
    done; \
    loader=$(ldd /bin/sh | sed -n 's|^[[:space:]]*\(/[^ ]*/ld-linux[^ ]*\) .*|\1|p'); \
    libc=$(ldd /bin/sh | sed -n 's|.* => \(/[^ ]*/libc\.so\.6\) .*|\1|p'); \
    for library in "$loader" "$libc" "${libc%libc.so.6}libm.so.6" "${libc%libc.so.6}libgcc_s.so.1"; do \
      mkdir -p "/image${library%/*}"; \
      cp -L "$library" "/image$library"; \
    done; \
    mkdir -p /empty /image/etc/costlake/jobs /image/usr/share/licenses/costlake /image/var/lib/dpkg/status.d; \
    mv /taken/LICENSE-* /image/usr/share/licenses/costlake/; \
    for package in libc6 libgcc-s1; do dpkg-query --status "$package" > "/image/var/lib/dpkg/status.d/$package"; done; \
    cp -L /etc/os-release /image/etc/os-release; \
    echo 'costlake:x:65532:' > /image/etc/group; \
    echo 'costlake:x:65532:65532:costlake:/home/costlake:/sbin/nologin' > /image/etc/passwd; \
    touch /taken/costlake /taken/ca-certificates.crt; \
    chmod 755 /taken/costlake

FROM scratch AS image
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="costlake" \
      org.opencontainers.image.description="A cloud bill as exact, always-current Parquet" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=root /image /
COPY --from=root --chown=65532:65532 /empty /home/costlake
COPY --from=root --chown=65532:65532 /empty /lake
ENV PATH=/usr/local/bin COSTLAKE_JOBS=/etc/costlake/jobs COSTLAKE_LAKE=/lake
WORKDIR /home/costlake
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/costlake"]
CMD ["--help"]

FROM image AS packaged
COPY --from=root /taken/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=root /taken/costlake /usr/local/bin/costlake

FROM rust:1.95-slim-bookworm AS compiled
WORKDIR /src
COPY . .
RUN cargo build --profile dist --locked

FROM image AS build
COPY --from=compiled /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=compiled /src/target/dist/costlake /usr/local/bin/costlake
