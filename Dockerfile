# syntax=docker/dockerfile:1
# Two stages: the binary, with the console in it, and an image with nothing but the binary.

FROM node:22-bookworm-slim AS node

FROM rust:1.95-bookworm AS build
# The build of the binary makes the console by npm.
COPY --from=node /usr/local/bin/node /usr/local/bin/node
COPY --from=node /usr/local/lib/node_modules /usr/local/lib/node_modules
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx
WORKDIR /build
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/build/target \
    cargo build --release --locked --bin twig && cp target/release/twig /usr/local/bin/twig

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl zlib1g \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home --home-dir /var/lib/twig twig
COPY --from=build /usr/local/bin/twig /usr/local/bin/twig
USER twig
WORKDIR /var/lib/twig
ENV TWIG_DATA_DIR=/var/lib/twig/data TWIG_LISTEN=0.0.0.0:8080 TWIG_LOG=json
VOLUME /var/lib/twig/data
EXPOSE 8080
# SIGTERM ends streams and batches within a bound; nothing stands between the process and the signal.
ENTRYPOINT ["/usr/local/bin/twig"]
CMD ["serve"]
