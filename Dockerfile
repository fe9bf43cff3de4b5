# quotad as a container image: see docs/image.md.
#   docker build --build-arg VERSION=0.1.0 --build-arg REVISION="$(git rev-parse HEAD)" --tag quotad .

# Both take a digest too: --build-arg RUNTIME_IMAGE=...@sha256:... The Rust version is that of rust-toolchain.toml, and
# both images are of one Debian release, because the program uses the C library of the second.
ARG BUILDER_IMAGE=rust:1.95.0-slim-bookworm
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian12:nonroot

FROM ${BUILDER_IMAGE} AS builder
WORKDIR /build

# The dependencies are a layer of their own, which stays until the manifests change: they are built with a program that
# does nothing. Benches and tests are named in the manifest and stand in no image, so it is read without them.
COPY Cargo.toml Cargo.lock ./
RUN cp Cargo.toml Cargo.toml.whole \
 && awk '/^\[/ { kept = $0 != "[[bench]]" && $0 != "[[test]]" } kept' Cargo.toml.whole > Cargo.toml \
 && mkdir src \
 && echo 'fn main() {}' > build.rs \
 && cp build.rs src/main.rs \
 && touch src/lib.rs \
 && cargo build --release --locked \
 && rm -r src build.rs target/release/.fingerprint/quotad-*

COPY build.rs ./
COPY proto proto
COPY src src
# Names of functions stay for backtraces; lines would quadruple the size.
RUN cargo build --release --locked --bin quotad \
 && strip --strip-debug target/release/quotad \
 && mkdir data

FROM ${RUNTIME_IMAGE}

ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="quotad" \
      org.opencontainers.image.description="A gRPC sidecar that enforces credit quotas beside the application." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.source="${SOURCE}"

COPY LICENSE /usr/share/doc/quotad/LICENSE
COPY --from=builder /build/target/release/quotad /usr/local/bin/quotad
# The books: mount a volume here, or they go with the container.
COPY --from=builder --chown=65532:65532 /build/data /var/lib/quotad
ENV QUOTAD_DATA_DIR=/var/lib/quotad

USER 65532:65532
# Requests, administrators, probes. They listen on the loopback address unless told otherwise, for a sidecar's callers share
# its network.
EXPOSE 7450 7451 7452
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
  CMD ["/usr/local/bin/quotad", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/quotad"]
