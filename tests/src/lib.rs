//! Helpers of the integration tests: the three layers and the sandbox, started in one process.
