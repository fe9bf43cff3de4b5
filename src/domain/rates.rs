//! The rate card (section 9): what an operation costs, and what planned work would cost.

use std::collections::BTreeMap;

use super::credits::Credits;

/// What the class of an operation reaches (section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash)]
pub enum Class {
    /// Base, extension and allowance: the default.
    #[default]
    Run,
    /// Base and extension: create, edit, view, test.
    Maker,
    /// Costs nothing, always, and is never refused: previews, deleting.
    Free,
}

/// What `quantity` of something costs: `ceil(quantity x credits / per)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    /// Credits for each `per`.
    pub credits: Credits,
    /// At least 1.
    pub per: u64,
}

impl Rate {
    /// The price of a quantity, rounded up; `None` above [`Credits::MAX`].
    pub fn price(self, quantity: u64) -> Option<Credits> {
        let total = u128::from(quantity) * u128::from(self.credits.get());
        Credits::new(u64::try_from(total.div_ceil(u128::from(self.per.max(1)))).ok()?)
    }
}

/// One line of the rate card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// What it costs.
    pub rate: Rate,
    /// What it reaches.
    pub class: Class,
    /// The product it is reported under, where a request names none.
    pub product: Option<Box<str>>,
}

/// Operations by name.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RateCard {
    /// The priced operations.
    pub operations: BTreeMap<Box<str>, Operation>,
}

/// What a request says about its cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cost<'a> {
    /// So many credits; the operation, if named, gives the class and the product.
    Credits {
        /// How many.
        amount: Credits,
        /// A line of the rate card.
        operation: Option<&'a str>,
    },
    /// So much of an operation, at its rate.
    Usage {
        /// A line of the rate card.
        operation: &'a str,
        /// How much of it, in the unit that the rate is for.
        quantity: u64,
    },
}

/// A priced request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price<'a> {
    /// What it costs; zero for class `free`.
    pub amount: Credits,
    /// What it reaches.
    pub class: Class,
    /// The operation's rate, by which a commit of a quantity is priced.
    pub rate: Option<Rate>,
    /// The operation's product.
    pub product: Option<&'a str>,
}

/// Why a request has no price.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RateError {
    /// The rate card has no such operation.
    #[error("operation {0:?} is not on the rate card; add it under rate_card or send credits")]
    UnknownOperation(Box<str>),
    /// More than [`Credits::MAX`].
    #[error(
        "the quantity costs more than 9,007,199,254,740,991 credits, the largest amount there is"
    )]
    TooMuch,
}

impl RateCard {
    /// Prices a request.
    pub fn price(&self, cost: &Cost<'_>) -> Result<Price<'_>, RateError> {
        let (operation, quantity) = match *cost {
            Cost::Credits {
                amount,
                operation: None,
            } => {
                return Ok(Price {
                    amount,
                    class: Class::Run,
                    rate: None,
                    product: None,
                });
            }
            Cost::Credits {
                amount,
                operation: Some(operation),
            } => (self.operation(operation)?, Err(amount)),
            Cost::Usage {
                operation,
                quantity,
            } => (self.operation(operation)?, Ok(quantity)),
        };
        let amount = match (operation.class, quantity) {
            (Class::Free, _) => Credits::ZERO,
            (_, Err(amount)) => amount,
            (_, Ok(quantity)) => operation.rate.price(quantity).ok_or(RateError::TooMuch)?,
        };
        Ok(Price {
            amount,
            class: operation.class,
            rate: Some(operation.rate),
            product: operation.product.as_deref(),
        })
    }

    fn operation(&self, name: &str) -> Result<&Operation, RateError> {
        self.operations
            .get(name)
            .ok_or_else(|| RateError::UnknownOperation(name.into()))
    }
}

/// What planned quantities cost, and whether the entitlement covers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// What all of it costs.
    pub credits: u64,
    /// Whether the entitlement covers it.
    pub covered: bool,
    /// What would be left of the entitlement.
    pub spare: u64,
    /// What the entitlement lacks.
    pub missing: u64,
    /// How many add-ons would cover what is missing.
    pub add_ons: u64,
    /// The price tier of that many add-ons: `T1`, from 10 `T2`, from 50 `T3`; `None` without any.
    pub tier: Option<&'static str>,
}

/// Holds planned quantities, each of an operation, against an entitlement.
pub fn estimate<'a>(
    card: &RateCard,
    quantities: impl IntoIterator<Item = (&'a str, u64)>,
    entitlement: u64,
    add_on: Credits,
) -> Result<Estimate, RateError> {
    let mut total = Credits::ZERO;
    for (operation, quantity) in quantities {
        let price = card.price(&Cost::Usage {
            operation,
            quantity,
        })?;
        total = total.checked_add(price.amount).ok_or(RateError::TooMuch)?;
    }
    let credits = total.get();
    let missing = credits.saturating_sub(entitlement);
    let add_ons = missing.div_ceil(add_on.get().max(1));
    let tier = match add_ons {
        0 => None,
        1..10 => Some("T1"),
        10..50 => Some("T2"),
        _ => Some("T3"),
    };
    Ok(Estimate {
        credits,
        covered: missing == 0,
        spare: entitlement.saturating_sub(credits),
        missing,
        add_ons,
        tier,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card() -> RateCard {
        let mut card = RateCard::default();
        for (name, credits, per, class) in [
            ("receipt", 32, 1, Class::Run),
            ("tokens", 3, 1_000, Class::Run),
            ("edit", 1, 1, Class::Maker),
            ("preview", 50, 1, Class::Free),
        ] {
            let rate = Rate {
                credits: Credits::saturating(credits),
                per,
            };
            card.operations.insert(
                name.into(),
                Operation {
                    rate,
                    class,
                    product: None,
                },
            );
        }
        card
    }

    #[test]
    fn a_price_is_rounded_up_once_per_request() {
        for (operation, quantity, amount) in [
            ("receipt", 32_000, 1_024_000),
            ("tokens", 0, 0),
            ("tokens", 1, 1),
            ("tokens", 1_000, 3),
            ("tokens", 1_001, 4),
            ("edit", 2, 2),
            ("preview", 9, 0),
        ] {
            let card = card();
            let price = card.price(&Cost::Usage {
                operation,
                quantity,
            });
            assert_eq!(
                price.map(|it| it.amount.get()),
                Ok(amount),
                "{quantity} {operation}"
            );
        }
        assert!(
            card()
                .price(&Cost::Usage {
                    operation: "none",
                    quantity: 1
                })
                .is_err()
        );
        assert_eq!(
            card().price(&Cost::Usage {
                operation: "receipt",
                quantity: u64::MAX
            }),
            Err(RateError::TooMuch)
        );
    }

    #[test]
    fn an_estimate_says_how_many_add_ons_cover_it() {
        let add_on = Credits::saturating(1_000_000);
        for (quantity, entitlement, covered, spare, missing, add_ons, tier) in [
            (32_000, 1_025_000, true, 1_000, 0, 0, None),
            (32_000, 0, false, 0, 1_024_000, 2, Some("T1")),
            (312_500, 0, false, 0, 10_000_000, 10, Some("T2")),
            (1_562_500, 0, false, 0, 50_000_000, 50, Some("T3")),
        ] {
            let estimate = estimate(&card(), [("receipt", quantity)], entitlement, add_on);
            let expected = Estimate {
                credits: quantity * 32,
                covered,
                spare,
                missing,
                add_ons,
                tier,
            };
            assert_eq!(estimate, Ok(expected));
        }
    }
}
