//! The catalogue of domain events. Schemas, documentation and validation are made from this one table.

use domain::DomainEventKind;
use serde_json::Value;

use crate::field::{Field, FieldType, check_fields};

/// A domain event in the catalogue.
#[derive(Debug, Clone, Copy)]
pub struct CatalogueEntry {
    /// The kind.
    pub kind: DomainEventKind,
    /// When it is written.
    pub when: &'static str,
    /// The fields besides those that all have.
    pub fields: &'static [Field],
}

use DomainEventKind as K;
use FieldType::{Decimal, EventId, Guid, Integer, Object, Text, Texts, Word};

const COMMON: &[Field] = &[
    Field::new("event", EventId, "The event."),
    Field::new(
        "version",
        Integer(0),
        "Rises with each decision about the same application, or about the event itself.",
    ),
    Field::new("at_ms", Integer(0), "The time of the decision, in milliseconds since 1970 UTC."),
];

const OF_APPLICATION: &[Field] = &[
    Field::new(
        "guid",
        Guid,
        "The GUID of the application, as on the applicant's page and in the order call.",
    ),
    Field::new("number", Integer(1), "The number of the application in the queue."),
];

const TITLE: &[Field] =
    &[Field::new("ko", Text, "The title in Korean."), Field::new("en", Text, "The title in English.")];

const COUNTS: &[Field] = &[
    Field::new("ordered", Integer(0), "Applications with an order."),
    Field::new("rejected", Integer(0), "Applications that were rejected."),
    Field::new("cancelled", Integer(0), "Applications that were cancelled."),
    Field::new(
        "expired",
        Integer(0),
        "Applications whose called applicant did not confirm or order in time.",
    ),
    Field::new(
        "sold_out",
        Integer(0),
        "Applications that were still waiting. There is no domain event for each.",
    ),
];

const REV: Field = Field::new("rev", Integer(1), "The revision of the settings.");
const SETTING_FIELDS: [Field; 7] = [
    Field::new(
        "kind",
        Word(&["order", "confirm", "pass"]),
        "Whether the order is made at once, after the applicant confirmed, or at the shop with a pass.",
    ),
    Field::new("title", Object(TITLE), "The title."),
    Field::new("opens_at_ms", Integer(0), "When applications begin."),
    Field::new("closes_at_ms", Integer(1), "When applications end."),
    Field::new("capacity", Integer(1), "The number of seats."),
    Field::new("pace_per_s", Decimal, "Order calls started per second."),
    Field::new(
        "release",
        Word(&["running", "paused", "draining"]),
        "Whether applications are admitted and ordered.",
    ),
];
const SETTINGS: &[Field] = &{
    let [a, b, c, d, e, f, g] = SETTING_FIELDS;
    [REV, a, b, c, d, e, f, g]
};
const CHANGED_SETTINGS: &[Field] = &{
    let [a, b, c, d, e, f, g] = SETTING_FIELDS;
    let changed = Field::new(
        "changed",
        Texts,
        "The names of the changed settings, also of those that are not among the fields.",
    );
    [REV, changed, a, b, c, d, e, f, g]
};

const BY: Field = Field::new("by", Word(&["applicant", "operator", "shop"]), "The party that cancelled.");
const ORDER_NO: Field = Field::new("order_no", Text, "The order number.");

/// All domain events, in the order of [`DomainEventKind::ALL`].
pub const CATALOGUE: [CatalogueEntry; 18] = [
    CatalogueEntry {
        kind: K::ApplicationAdmitted,
        when: "An application got a seat, and its order is about to be made. Off by default.",
        fields: &[Field::new("admitted_at_ms", Integer(0), "The time of the admission.")],
    },
    CatalogueEntry {
        kind: K::ApplicationCalled,
        when: "An application got a seat, and its applicant has to confirm, or to order with a pass, in time.",
        fields: &[Field::new(
            "until_ms",
            Integer(0),
            "When this time ends. The applicant may extend it once.",
        )],
    },
    CatalogueEntry {
        kind: K::ApplicationConfirmed,
        when: "The applicant confirmed, and the order is about to be made.",
        fields: &[],
    },
    CatalogueEntry {
        kind: K::ApplicationOrdered,
        when: "The order service made the order, or the shop reported one that was made with a pass.",
        fields: &[ORDER_NO, Field::new("ordered_at_ms", Integer(0), "When the order was recorded.")],
    },
    CatalogueEntry {
        kind: K::ApplicationCancelRequested,
        when: "The order of an application is about to be deleted at the order service. `application.cancelled` follows.",
        fields: &[BY, ORDER_NO.or_null()],
    },
    CatalogueEntry {
        kind: K::ApplicationCancelled,
        when: "The application was cancelled: its order is deleted, or was never made.",
        fields: &[BY, ORDER_NO.or_null()],
    },
    CatalogueEntry {
        kind: K::ApplicationRejected,
        when: "The application is rejected, and no order exists.",
        fields: &[Field::new(
            "reason",
            Word(&["order_service", "operator", "shop"]),
            "The party that rejected it.",
        )],
    },
    CatalogueEntry {
        kind: K::ApplicationExpired,
        when: "The applicant did not confirm, or the shop reported no order, in time.",
        fields: &[],
    },
    CatalogueEntry {
        kind: K::ApplicationParked,
        when: "Too many order calls had no clear response. An operator must act. It may occur several times.",
        fields: &[Field::new(
            "attempts",
            Integer(0),
            "Order calls since the application entered this state.",
        )],
    },
    CatalogueEntry {
        kind: K::ApplicationOrderRefused,
        when: "The shop reported an order that was made with a pass, but the application has no seat any more: the shop must delete that order. It may occur several times.",
        fields: &[ORDER_NO],
    },
    CatalogueEntry { kind: K::EventCreated, when: "An event was created.", fields: SETTINGS },
    CatalogueEntry {
        kind: K::EventUpdated,
        when: "Settings of an event were changed.",
        fields: CHANGED_SETTINGS,
    },
    CatalogueEntry { kind: K::EventOpened, when: "Applications began.", fields: &[] },
    CatalogueEntry {
        kind: K::EventClosed,
        when: "Applications ended. Those in the queue are still admitted.",
        fields: &[
            Field::new("last_number", Integer(0), "The last number that was given, if known.").or_null()
        ],
    },
    CatalogueEntry { kind: K::EventSettling, when: "The event is being settled.", fields: &[] },
    CatalogueEntry {
        kind: K::EventSettled,
        when: "Every application has its outcome. Applications up to `settled_seq` without a domain event are sold out.",
        fields: &[
            Field::new("settled_seq", Integer(0), "The last number that is settled."),
            Field::new(
                "counts",
                Object(COUNTS),
                "The applications by outcome: compare them with what you received.",
            ),
        ],
    },
    CatalogueEntry {
        kind: K::EventFrozen,
        when: "Queue and ledger contradict each other. No application is admitted until an operator acts.",
        fields: &[Field::new("why", Text, "The contradiction.")],
    },
    CatalogueEntry {
        kind: K::EventUnfrozen,
        when: "An operator continued a frozen event.",
        fields: &[Field::new("why", Text, "The contradiction that the operator examined.")],
    },
];

impl CatalogueEntry {
    /// All fields of the data, in the order of the documentation.
    pub fn all_fields(&self) -> Vec<Field> {
        let of_subject = if self.kind.is_of_application() { OF_APPLICATION } else { &[] };
        [COMMON, of_subject, self.fields].concat()
    }
}

/// The entry of a kind.
pub fn entry(kind: DomainEventKind) -> &'static CatalogueEntry {
    &CATALOGUE[kind as usize]
}

/// Fails unless the data conforms to the schema of its kind.
pub fn validate(kind: DomainEventKind, data: &str) -> Result<(), String> {
    let data: Value =
        serde_json::from_str(data).map_err(|error| format!("the data of {kind} is not JSON: {error}"))?;
    check_fields(&entry(kind).all_fields(), &data).map_err(|why| format!("the data of {kind}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names that no field may have: personal data, and what gives access.
    const DENIED: [&str; 19] = [
        "name",
        "phone",
        "email",
        "mail",
        "address",
        "member_id",
        "user_id",
        "birth",
        "ip",
        "user_agent",
        "contact",
        "receipt",
        "recovery_code",
        "app_key",
        "key",
        "secret",
        "token",
        "idempotency_key",
        "reason_text",
    ];

    fn names(fields: &[Field]) -> Vec<&'static str> {
        let inner = |field: &Field| if let Object(fields) = field.kind { names(fields) } else { Vec::new() };
        fields.iter().flat_map(|field| [vec![field.name], inner(field)].concat()).collect()
    }

    #[test]
    fn the_catalogue_is_in_the_order_of_the_kinds() {
        assert_eq!(CATALOGUE.map(|entry| entry.kind), DomainEventKind::ALL);
    }

    #[test]
    fn no_field_is_for_personal_data_or_gives_access() {
        for entry in CATALOGUE {
            for name in names(&entry.all_fields()) {
                assert!(!DENIED.contains(&name), "{}: {name}", entry.kind);
                assert!(
                    !["_ip", "_phone", "_email", "_secret"].iter().any(|end| name.ends_with(end)),
                    "{name}"
                );
            }
        }
    }
}
