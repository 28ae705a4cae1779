# One image a layer: docker build --build-arg LAYER=process-apis -t orderway/process-apis .
# LAYER is system-apis, process-apis or experience-apis. The image of the compiler has all that is needed: gcc and libc's
# headers build SQLite and the cryptography; time zones are part of the binary.
FROM rust:1.95-slim-bookworm AS build
# The compiler of this image; rust-toolchain.toml would fetch its lints and formatter too.
ENV RUSTUP_TOOLCHAIN=1.95.0
WORKDIR /src
COPY . .
ARG LAYER
RUN test -n "$LAYER" || { echo "give --build-arg LAYER=system-apis|process-apis|experience-apis" >&2; exit 1; }
RUN cargo build --locked --profile dist --package "$LAYER" \
    && cp "target/dist/$LAYER" /layer \
    && mkdir /data
# What the files leave to the environment is made up, for this check only.
RUN ORDERWAY_EXPERIENCE__CONTEXT__PROCESS_KEY="only-for-the-check-of-the-files-in-the-image" \
    ORDERWAY_EXPERIENCE__ISSUERS='[{issuer="https://check.invalid",audience="orderway",algorithm="ES256",keys={jwks_url="https://check.invalid/jwks"}}]' \
    /layer --config-dir config check-config

FROM debian:bookworm-slim
# Certificates, by which token issuers and backends are known.
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /layer /usr/local/bin/layer
COPY --from=build /src/config /etc/orderway
COPY --from=build --chown=65532:65532 /data /var/lib/orderway
USER 65532:65532
WORKDIR /var/lib/orderway
ENTRYPOINT ["/usr/local/bin/layer", "--config-dir", "/etc/orderway"]
CMD ["serve"]
