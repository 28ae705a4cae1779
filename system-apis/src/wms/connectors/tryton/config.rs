//! The settings of a Tryton that runs a warehouse.

use serde::Deserialize;
use service_runtime::config::{Faults, HumanDuration, Validate};

use crate::tryton::TrytonServer;

/// Where it is and how it behaves.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrytonWms {
    /// The server, the database and the user.
    #[serde(flatten)]
    pub server: TrytonServer,
    /// What stands before the number of a delivery address among the identifiers of its party.
    #[serde(default = "usual_ship_to")]
    pub ship_to_prefix: String,
    /// How long after an unknown outcome its search may miss a release: as long as its longest transaction.
    #[serde(default = "usual_quiet_period")]
    pub quiet_period: HumanDuration,
}

impl TrytonWms {
    /// The defaults at a server.
    pub fn at(server: TrytonServer) -> Self {
        Self {
            server,
            ship_to_prefix: usual_ship_to(),
            quiet_period: usual_quiet_period(),
        }
    }
}

fn usual_ship_to() -> String {
    "SHIPTO:".to_owned()
}

fn usual_quiet_period() -> HumanDuration {
    HumanDuration::from_secs(60)
}

impl Validate for TrytonWms {
    fn validate(&self, faults: &mut Faults) {
        self.server.validate(faults);
    }
}
