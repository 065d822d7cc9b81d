//! Addresses without their secrets. A receipt in a path gives the right to cancel an application, and a query may have a token or a name in
//! it.

use std::borrow::Cow;

use crate::path::is_below;

/// What stands for a secret.
const SECRET: &str = "-";
/// The prefixes below which a segment can be a receipt, and those below which it is one.
const WITH_RECEIPTS: [&str; 2] = ["/a", "/application"];
/// The most bytes of an address that are kept.
const ADDRESS_MAX: usize = 1024;
/// The longest name of a query parameter that is kept.
const NAME_MAX: usize = 32;
/// The shortest end of a receipt, after its dot.
const RECEIPT_MIN: usize = 50;

/// The path and the names of the query's parameters.
pub(super) fn address(path: &str, query: Option<&str>) -> String {
    let path = path.split_once(';').map_or(path, |(path, _)| path);
    let has_receipts = WITH_RECEIPTS.into_iter().find(|prefix| is_below(path, prefix));
    if has_receipts.is_none() && query.is_none() && path.len() <= RECEIPT_MIN {
        // As most paths are; a receipt is longer.
        return path.to_owned();
    }
    let mut text = String::with_capacity(path.len());
    for (nth, segment) in path.split('/').enumerate() {
        if nth > 0 {
            text.push('/');
        }
        // The first segment after the leading slash is the prefix itself.
        let is_secret = match has_receipts {
            Some("/a") => nth > 1 && !segment.is_empty(),
            Some(_) => nth > 1 && !is_word(segment),
            None => is_receipt(segment),
        };
        text.push_str(if is_secret { SECRET } else { segment });
    }
    for (nth, parameter) in query.into_iter().flat_map(|query| query.split('&')).enumerate() {
        text.push(if nth == 0 { '?' } else { '&' });
        text.push_str(&parameter_name(parameter));
    }
    truncate(&mut text);
    text
}

/// The address in a `Referer`, without its secrets; the text that is no address is a secret as a whole.
pub(super) fn referer(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return SECRET.to_owned() };
    let (authority, target) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    // Before an at sign stands a password.
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let target = target.split_once('#').map_or(target, |(target, _)| target);
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    // Another spelling of a path with a receipt is not recognised, so that only plain paths are kept.
    let path = match crate::path::normal(path) {
        Ok(normal) => normal,
        Err(_) if path.is_empty() => Cow::Borrowed(""),
        Err(_) => return format!("{scheme}://{host}/{SECRET}"),
    };
    let mut text = format!("{scheme}://{host}{}", address(&path, query));
    truncate(&mut text);
    text
}

/// Whether a segment is a part of an address of the API: an area, a version, a verb, a resource, an event.
fn is_word(segment: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    segment.len() <= domain::id::EVENT_ID_MAX && segment.bytes().all(is_plain)
}

/// Whether a segment looks like a receipt, wherever it stands: key ID, dot, base64.
fn is_receipt(segment: &str) -> bool {
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    segment.rsplit_once('.').is_some_and(|(_, end)| end.len() >= RECEIPT_MIN && end.bytes().all(is_base64))
}

/// The parameter with `-` for its value; a name that is not plain is a secret too.
fn parameter_name(parameter: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.[]".contains(&byte);
    match parameter.split_once('=') {
        Some((name, _)) if name.len() <= NAME_MAX && name.bytes().all(is_plain) => {
            Cow::Owned(format!("{name}={SECRET}"))
        }
        _ => Cow::Borrowed(SECRET),
    }
}

fn truncate(text: &mut String) {
    text.truncate(text.floor_char_boundary(ADDRESS_MAX));
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECEIPT: &str = "k1.AQEAAAABAAAAAV0cPjQyUu2mpcfwTg6VbQBzcHJpbmfmY2Pn-5QhvG1VTQ_0sXo1";

    #[test]
    fn no_receipt_and_no_value_of_a_query_is_kept() {
        for (path, query, expected) in [
            ("/", None, "/"),
            ("/products/spring", Some("id=7&ref=mail"), "/products/spring?id=-&ref=-"),
            ("/search", Some("q=Kim+Minji&q=2"), "/search?q=-&q=-"),
            ("/x", Some("0123-token"), "/x?-"),
            ("/x", Some("=secret&a%20b=c&"), "/x?=-&-&-"),
            ("/a/k1.xyz", Some("asked=cancel"), "/a/-?asked=-"),
            ("/a/short/more", None, "/a/-/-"),
            ("/a", None, "/a"),
            ("/e/spring-2", Some("lang=en"), "/e/spring-2?lang=-"),
            ("/event/com/v1/get/progress/spring", None, "/event/com/v1/get/progress/spring"),
            (
                "/application/com/v1/create/application/spring",
                None,
                "/application/com/v1/create/application/spring",
            ),
            ("/application/com/v1/get/application/k1.AQEA", None, "/application/com/v1/get/application/-"),
            ("/application/com/AQEAAAABxyz", None, "/application/com/-"),
            ("/application/k1.AQEA;x=1", None, "/application/-"),
            ("/about/team.html", None, "/about/team.html"),
        ] {
            assert_eq!(address(path, query), expected);
        }
        for path in ["/a/{}", "/a//{}", "/application/com/v1/get/application/{}", "/shop/{}", "/{}", "/{}/x"]
        {
            let shown = address(&path.replace("{}", RECEIPT), Some(&format!("receipt={RECEIPT}&{RECEIPT}")));
            assert!(!shown.contains("AQEAAAAB"), "{shown}");
        }
    }

    #[test]
    fn a_referer_is_kept_without_its_secrets() {
        for (text, expected) in [
            ("https://shop.example/products/1?token=x#part", "https://shop.example/products/1?token=-"),
            ("https://shop.example", "https://shop.example"),
            ("https://kim:secret@shop.example/", "https://shop.example/"),
            ("https://shop.example/a/k1.xyz", "https://shop.example/a/-"),
            ("https://shop.example/%61/k1.xyz", "https://shop.example/a/-"),
            ("https://shop.example/x%2fk1.xyz", "https://shop.example/-"),
            ("https://shop.example?k=v", "https://shop.example?k=-"),
            ("k1.xyz", "-"),
            ("", "-"),
        ] {
            assert_eq!(referer(text), expected);
        }
    }

    #[test]
    fn a_long_address_is_cut() {
        assert_eq!(address(&format!("/{}", "가".repeat(2000)), None).len(), 1024);
        assert!(referer(&format!("https://{}/x", "a".repeat(5000))).len() <= ADDRESS_MAX);
    }
}
