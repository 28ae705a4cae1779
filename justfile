# For people; the same lines as .ci/run.

# Lists the recipes.
default:
    @just --list

# Everything that must be green.
ci *stages:
    .ci/run {{ stages }}

# Formats the code.
fmt:
    cargo fmt --all

# The tests.
test *args:
    cargo test --workspace {{ args }}

# Installs what the tests need beside the toolchain: Chromium, xmllint and npm packages (Debian, as root).
setup:
    .ci/run setup

# Rewrites openapi/*.json from the code.
openapi:
    cargo run -p system-apis -- openapi > openapi/system-apis.json
    cargo run -p process-apis -- openapi > openapi/process-apis.json
    cargo run -p experience-apis -- openapi > openapi/experience-apis.json
    cargo run -p experience-apis -- asyncapi > openapi/asyncapi.json

# Starts the sandbox and the three layers.
up *args:
    cargo run --release -- {{ args }}
