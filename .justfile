# The same steps as `.ci/run`, which holds each command once; `just` alone lists them.

_list:
    @just --list

# Everything that decides what lands
ci:
    .ci/run

# Formatting
fmt:
    .ci/run fmt

# Lints, as errors
clippy:
    .ci/run clippy

# API documentation, with warnings as errors
doc:
    .ci/run doc

# Licences, banned crates and sources
deny:
    .ci/run deny

# Shell scripts
shell:
    .ci/run shell

# What must never be committed
words:
    .ci/run words

# Each crate by itself
alone:
    .ci/run alone

# Every test
test:
    .ci/run test

# Clients that nobody here wrote
clients:
    .ci/run clients

# Release build and a demo of five seconds
smoke:
    .ci/run demo

# Changes without pause under load, at full size
churn:
    .ci/churn

# A daemon with practice backends, and its dashboard
demo:
    cargo build --release && target/release/ayactl demo

# The dashboard of the running daemon
top:
    cargo run --release --package ayactl -- top

# Time of picks and route lookups
bench:
    cargo bench --package aya-core

# ayad beside nginx and HAProxy: `just compare small tls`, or everything
compare *CASES:
    .ci/bench/run {{ CASES }}

# Looks for inputs that break a parser, for a minute; needs a nightly toolchain and cargo-fuzz
fuzz TARGET SECONDS="60":
    cargo +nightly fuzz run --fuzz-dir tests/fuzz {{ TARGET }} -- -max_total_time={{ SECONDS }} -max_len=4096

# Half an hour of mixed traffic and changes: memory and descriptors stay flat
soak:
    .ci/soak
