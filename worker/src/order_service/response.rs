//! The meaning of a response of the order service: the one place that decides it, for the worker and for `firstcome doctor`.
//! It makes no call.

use ledger::OrderResponse;
use serde::Deserialize;

/// Longest response that is read, in bytes.
pub const RESPONSE_BYTES_MAX: usize = 64 * 1024;
/// Longest order number that is kept, in characters.
const ORDER_NO_MAX: usize = 100;

/// Why a response has no meaning in the contract. The order may exist or not: the seat is kept, and the call is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnclearResponse {
    /// A status that says nothing about the order, or a rejection that is not problem+json.
    #[error("the order service answered {0}")]
    Status(u16),
    /// An acceptance whose body is not JSON.
    #[error("the order service accepted with a body that is not JSON")]
    NotJson,
    /// An acceptance without a text `order_no`.
    #[error("the order service accepted without an order_no")]
    NoOrderNumber,
    /// An acceptance whose order number is empty, too long or holds a control character.
    #[error("the order service accepted with an order_no that cannot be shown")]
    UnfitOrderNumber,
}

#[derive(Deserialize)]
struct AcceptedBody {
    order_no: String,
}

/// Classifies a response to a `PUT`. 200 or 201 with an order number accepts; 409 and 422 as problem+json reject; 410 means
/// that the key was deleted.
pub fn classify_put(status: u16, content_type: &str, body: &[u8]) -> Result<OrderResponse, UnclearResponse> {
    match status {
        200 | 201 => order_number(body).map(OrderResponse::Created),
        // A proxy's error page must not be taken for a rejection.
        409 | 422 if is_problem(content_type) => Ok(OrderResponse::Rejected),
        410 => Ok(OrderResponse::Deleted),
        other => Err(UnclearResponse::Status(other)),
    }
}

/// Classifies a response to a `DELETE`. 200, 204 and 410 mean that no order exists and that a later `PUT` makes none. A 404 may
/// come from a wrong address.
pub fn classify_delete(status: u16) -> Result<OrderResponse, UnclearResponse> {
    match status {
        200 | 204 | 410 => Ok(OrderResponse::Deleted),
        other => Err(UnclearResponse::Status(other)),
    }
}

/// Whether the content type is that of a rejection in the contract.
pub fn is_problem(content_type: &str) -> bool {
    content_type.starts_with("application/problem+json")
}

/// Returns the order number if it can be shown. The error leaves the body out: it may contain personal data, and the error is logged.
fn order_number(body: &[u8]) -> Result<String, UnclearResponse> {
    let accepted: AcceptedBody = serde_json::from_slice(body).map_err(|error| {
        if error.is_data() { UnclearResponse::NoOrderNumber } else { UnclearResponse::NotJson }
    })?;
    let length = accepted.order_no.chars().count();
    if (1..=ORDER_NO_MAX).contains(&length) && !accepted.order_no.chars().any(char::is_control) {
        Ok(accepted.order_no)
    } else {
        Err(UnclearResponse::UnfitOrderNumber)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_put_is_accepted_only_with_an_order_number_that_can_be_shown() {
        let put = |body: &str| classify_put(201, "application/json", body.as_bytes());
        assert_eq!(put(r#"{"order_no":"A-1"}"#), Ok(OrderResponse::Created("A-1".into())));
        assert_eq!(put("<html>"), Err(UnclearResponse::NotJson));
        assert_eq!(put("{}"), Err(UnclearResponse::NoOrderNumber));
        assert_eq!(put(r#"{"order_no":5}"#), Err(UnclearResponse::NoOrderNumber));
        assert_eq!(put(r#"{"order_no":""}"#), Err(UnclearResponse::UnfitOrderNumber));
        assert_eq!(put(r#"{"order_no":"A\u0007"}"#), Err(UnclearResponse::UnfitOrderNumber));
    }

    #[test]
    fn a_put_is_rejected_only_by_problem_json() {
        assert_eq!(
            classify_put(409, "application/problem+json; charset=utf-8", b"{}"),
            Ok(OrderResponse::Rejected)
        );
        assert_eq!(classify_put(422, "text/html", b""), Err(UnclearResponse::Status(422)));
        assert_eq!(classify_put(410, "text/html", b""), Ok(OrderResponse::Deleted));
        assert_eq!(classify_put(202, "application/json", b"{}"), Err(UnclearResponse::Status(202)));
    }

    #[test]
    fn a_delete_is_confirmed_by_200_204_and_410_only() {
        for status in [200, 204, 410] {
            assert_eq!(classify_delete(status), Ok(OrderResponse::Deleted));
        }
        for status in [202, 301, 404, 409, 500] {
            assert_eq!(classify_delete(status), Err(UnclearResponse::Status(status)));
        }
    }
}
