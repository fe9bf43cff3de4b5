//! Who asks, and for how much.

use std::time::Duration;

use crate::pb;

/// Who asks, and for how much. What is left out has the sidecar's defaults.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Request {
    pub(crate) subject: pb::Subject,
    pub(crate) cost: pb::Cost,
    pub(crate) min_amount: Option<u64>,
    pub(crate) ttl: Option<Duration>,
}

impl Request {
    /// Asks for credits.
    pub fn credits(credits: u64) -> Self {
        let amount = Some(pb::cost::Amount::Credits(credits));
        let cost = pb::Cost {
            amount,
            operation: String::new(),
        };
        Self {
            cost,
            ..Self::default()
        }
    }

    /// Asks for so much of an operation of the rate card.
    pub fn usage(operation: impl Into<String>, quantity: u64) -> Self {
        let usage = pb::Usage {
            operation: operation.into(),
            quantity,
        };
        let cost = pb::Cost {
            amount: Some(pb::cost::Amount::Usage(usage)),
            operation: String::new(),
        };
        Self {
            cost,
            ..Self::default()
        }
    }

    /// The operation that gives class and product, beside credits.
    pub fn operation(mut self, operation: impl Into<String>) -> Self {
        self.cost.operation = operation.into();
        self
    }

    /// The tenant.
    pub fn organization(mut self, organization: impl Into<String>) -> Self {
        self.subject.organization = organization.into();
        self
    }

    /// Where the work runs.
    pub fn environment(mut self, environment: impl Into<String>) -> Self {
        self.subject.environment = environment.into();
        self
    }

    /// Who the work is done for.
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.subject.user = user.into();
        self
    }

    /// The product that usage is reported under.
    pub fn product(mut self, product: impl Into<String>) -> Self {
        self.subject.product = product.into();
        self
    }

    /// The model that usage is reported under.
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.subject.model = model.into();
        self
    }

    /// How little will do, in credits.
    pub fn min_amount(mut self, credits: u64) -> Self {
        self.min_amount = Some(credits);
        self
    }

    /// When a reservation ends by itself: more than 0, at most an hour.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }
}
