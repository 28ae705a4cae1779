//! The settings of a Tryton ERP.

use serde::Deserialize;
use service_runtime::config::{Faults, HumanDuration, Validate};

use crate::tryton::TrytonServer;

/// Where it is, and what differs between installations.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrytonErp {
    /// The database and its user.
    #[serde(flatten)]
    pub server: TrytonServer,
    /// The name of the relation from an account to the one above it.
    #[serde(default = "usual_parent")]
    pub parent_relation: String,
    /// What stands before the number of a delivery address among the identifiers of its party.
    #[serde(default = "usual_ship_to")]
    pub ship_to_prefix: String,
    /// Whether a price depends on the quantity by more than the lines of the account's list, as with lists that stand on a parent
    /// list (`product_price_list_parent`) or formulas of a module of its own: then each quantity that is ordered is asked for.
    #[serde(default)]
    pub formulas_by_quantity: bool,
    /// How long its search by reference may miss an order after an unknown outcome: as long as the server may still work on a
    /// request whose caller is gone.
    #[serde(default = "usual_quiet_period")]
    pub quiet_period: HumanDuration,
    /// How long its credit figures may lag: the difference between the clocks of our instances.
    #[serde(default = "usual_lag")]
    pub credit_lag: HumanDuration,
    /// The same for stock.
    #[serde(default = "usual_lag")]
    pub stock_lag: HumanDuration,
}

impl TrytonErp {
    /// The defaults with a server.
    pub fn at(server: TrytonServer) -> Self {
        Self {
            server,
            parent_relation: usual_parent(),
            ship_to_prefix: usual_ship_to(),
            formulas_by_quantity: false,
            quiet_period: usual_quiet_period(),
            credit_lag: usual_lag(),
            stock_lag: usual_lag(),
        }
    }
}

fn usual_parent() -> String {
    "Parent".to_owned()
}

fn usual_ship_to() -> String {
    "SHIPTO:".to_owned()
}

fn usual_quiet_period() -> HumanDuration {
    HumanDuration::from_secs(60)
}

fn usual_lag() -> HumanDuration {
    HumanDuration::from_secs(1)
}

impl Validate for TrytonErp {
    fn validate(&self, faults: &mut Faults) {
        self.server.validate(faults);
        faults.check(
            !self.ship_to_prefix.is_empty(),
            "ship_to_prefix",
            "give what stands before the number of a delivery address, such as SHIPTO:",
        );
    }
}
