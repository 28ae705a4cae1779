//! The settings of a Tryton CRM.

use serde::Deserialize;
use service_runtime::config::{Faults, HumanDuration, Validate};

use crate::tryton::TrytonServer;

/// Where it is and how it behaves.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrytonCrm {
    /// The database, and as whom it is used.
    #[serde(flatten)]
    pub server: TrytonServer,
    /// How long after an unknown outcome its search may miss a task: as long as the server may still work on a
    /// request whose caller is gone.
    #[serde(default = "usual_quiet_period")]
    pub quiet_period: HumanDuration,
}

impl TrytonCrm {
    /// The defaults with a server.
    pub fn at(server: TrytonServer) -> Self {
        Self {
            server,
            quiet_period: usual_quiet_period(),
        }
    }
}

fn usual_quiet_period() -> HumanDuration {
    HumanDuration::from_secs(60)
}

impl Validate for TrytonCrm {
    fn validate(&self, faults: &mut Faults) {
        self.server.validate(faults);
    }
}
