//! The normalised form of a request's path. The matched path is exactly the forwarded path, so that no spelling bypasses a rule.
//!
//! | in the path | what happens | why |
//! |---|---|---|
//! | `%41` and other escapes of letters, digits, `-._~` | decoded | RFC 3986 6.2.2.2: the same path |
//! | other escapes | kept, in capital digits | decoded, they have another meaning |
//! | `//` | merged into one | most servers read it as one, and some routes would not match |
//! | unescaped `.`, `..` | resolved | RFC 3986 5.2.4: browsers do it before they send |
//! | `..` above the root | 400 | no browser sends it |
//! | `.` or `..` with an escape in it (`%2e`) | 400 | some servers resolve it, some do not |
//! | `;x=1` after a name | removed | some servers remove it before they match; a shop's session id belongs in a cookie |
//! | `;` after `.` or `..`, or `%3b` | 400 | resolved by some servers, a name for others |
//! | `%2f`, `%5c`, `\` | 400 | a slash for some servers, an ordinary character for others |
//! | `%25` before two hexadecimal digits, escaped or not | 400 | decoded twice, it is another path |
//! | `%00` to `%1f`, `%7f` | 400 | some software ends a name or a log line there |
//! | `%` without two hexadecimal digits | 400 | servers differ in how they read it |
//! | escapes that are not UTF-8, or overlong | 400 | some servers read them as another character |
//! | unescaped bytes above 127 | 400 | no browser sends them |
//!
//! The query is forwarded unchanged and never matched.

use std::borrow::Cow;

/// A path that can be read in more than one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ambiguous;

/// The normalised form of the path.
pub(crate) fn normal(path: &str) -> Result<Cow<'_, str>, Ambiguous> {
    if !path.starts_with('/') {
        return Err(Ambiguous);
    }
    if is_plain(path.as_bytes()) {
        return Ok(Cow::Borrowed(path));
    }
    let mut made = String::with_capacity(path.len());
    let mut segments = path[1..].split('/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        push(&mut made, segment, last)?;
    }
    if made.is_empty() {
        made.push('/');
    }
    Ok(Cow::Owned(made))
}

/// Whether the path needs no further check, as most paths.
fn is_plain(path: &[u8]) -> bool {
    let mut after_slash = false;
    for byte in path {
        match byte {
            b'/' | b'.' if after_slash => return false,
            b'%' | b';' | b'\\' | 0..=b' ' | 0x7f.. => return false,
            _ => after_slash = *byte == b'/',
        }
    }
    true
}

/// Adds one segment to a path that has no slash at its end, unless the last segment is empty.
fn push(made: &mut String, segment: &str, last: bool) -> Result<(), Ambiguous> {
    let (name, parameters) = segment.split_once(';').map_or((segment, false), |(name, _)| (name, true));
    check_rest(segment)?;
    let decoded = decode(name)?;
    match decoded.as_str() {
        "." | ".." if parameters || decoded.len() != name.len() => return Err(Ambiguous),
        ".." => {
            let parent = made.rfind('/').ok_or(Ambiguous)?;
            made.truncate(parent);
        }
        "" | "." => {}
        _ => {
            made.push('/');
            made.push_str(&decoded);
            return Ok(());
        }
    }
    if last {
        made.push('/');
    }
    Ok(())
}

/// Checks the parameters that are removed: what is refused in a name is refused in them too.
fn check_rest(segment: &str) -> Result<(), Ambiguous> {
    match segment.split_once(';') {
        Some((_, parameters)) => decode(parameters).map(drop),
        None => Ok(()),
    }
}

/// The segment with normalised escapes.
fn decode(segment: &str) -> Result<String, Ambiguous> {
    let mut made = String::with_capacity(segment.len());
    let mut meant = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first == b'%' {
            let byte = escaped(after).ok_or(Ambiguous)?;
            rest = &after[2..];
            push_escaped(&mut made, byte)?;
            meant.push(byte);
        } else {
            if !matches!(first, b'!'..=b'~') || first == b'\\' {
                return Err(Ambiguous);
            }
            rest = after;
            made.push(char::from(first));
            meant.push(first);
        }
    }
    std::str::from_utf8(&meant).map_err(|_| Ambiguous)?;
    if is_escaped_twice(made.as_bytes()) { Err(Ambiguous) } else { Ok(made) }
}

/// Whether a decoded segment can be decoded again.
fn is_escaped_twice(made: &[u8]) -> bool {
    made.windows(5).any(|part| part.starts_with(b"%25") && escaped(&part[3..]).is_some())
}

/// The byte that the first two hexadecimal digits encode.
fn escaped(digits: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*digits.get(at)?).to_digit(16);
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

/// Adds a byte that was escaped.
fn push_escaped(made: &mut String, byte: u8) -> Result<(), Ambiguous> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => made.push(char::from(byte)),
        b'/' | b'\\' | b';' | 0..=0x1f | 0x7f => return Err(Ambiguous),
        _ => made
            .extend([b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]].map(char::from)),
    }
    Ok(())
}

/// Whether the path is the prefix or below it; a prefix has no slash at its end, and the root's is empty.
pub(crate) fn is_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The same, without regard to case, for shops that ignore it.
pub(crate) fn is_below_any_case(path: &str, prefix: &str) -> bool {
    let path = path.as_bytes();
    let prefix = prefix.as_bytes();
    path.len() >= prefix.len()
        && matches!(path.get(prefix.len()), None | Some(b'/'))
        && path[..prefix.len()].eq_ignore_ascii_case(prefix)
}

/// Whether requests for this path are never forwarded: paths of operators' tools, and the areas `adm` and `int` of any service.
pub(crate) fn is_inner(path: &str) -> bool {
    const TOOLS: [&str; 3] = ["/livez", "/readyz", "/metrics"];
    if TOOLS.iter().any(|tool| is_below_any_case(path, tool)) {
        return true;
    }
    // By bytes, because every request is checked: a search by character costs several times as much.
    let mut steps = path.as_bytes()[1..].split(|byte| *byte == b'/').skip(1).peekable();
    while let Some(step) = steps.next() {
        let inner = step.eq_ignore_ascii_case(b"adm") || step.eq_ignore_ascii_case(b"int");
        if inner && steps.peek().is_some_and(|next| !next.is_empty()) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(path: &str) -> Option<String> {
        normal(path).ok().map(Cow::into_owned)
    }

    #[test]
    fn spellings_of_one_path_have_one_normal_form() {
        for path in [
            "/products/spring",
            "//products///spring",
            "/%70roducts/sprin%67",
            "/products/./spring",
            "/x/../products/spring",
            "/products/x/y/../../spring",
            "/products/spring;id=1",
            "/products;a=b/spring;c",
            "/;x/products/spring",
        ] {
            assert_eq!(made(path).as_deref(), Some("/products/spring"), "{path}");
        }
        for (path, one) in [
            ("/", "/"),
            ("//", "/"),
            ("/.", "/"),
            ("/a/..", "/"),
            ("/a/", "/a/"),
            ("/a//", "/a/"),
            ("/a/.", "/a/"),
            ("/a/b/..", "/a/"),
            ("/a/b;x/", "/a/b/"),
            ("/a;x", "/a"),
            ("/%ea%b0%80", "/%EA%B0%80"),
            ("/a%20b%2B", "/a%20b%2B"),
            ("/100%25", "/100%25"),
            ("/.well-known/x", "/.well-known/x"),
            ("/...", "/..."),
            ("/a%2ejs", "/a.js"),
            ("/a|b\"{}", "/a|b\"{}"),
        ] {
            assert_eq!(made(path).as_deref(), Some(one), "{path}");
        }
    }

    #[test]
    fn ambiguous_paths_are_refused() {
        for path in [
            "",
            "*",
            "a",
            "/..",
            "/../a",
            "/a/../../b",
            "/%2e",
            "/%2e%2e/a",
            "/a/.%2e/b",
            "/a/%2E./b",
            "/a/..;/b",
            "/a/.;x/b",
            "/a%2fb",
            "/a%2Fb",
            "/a%5cb",
            "/a\\b",
            "/a%00",
            "/a%0a",
            "/a%1f",
            "/a%7f",
            "/a%3bx",
            "/%",
            "/%4",
            "/%zz",
            "/%+1",
            "/a%2",
            "/%252e",
            "/%2573",
            "/a%25%32%65",
            "/%c0%ae",
            "/%ff",
            "/%ed%a0%80",
            "/봄",
            "/a;%2f",
            "/a;x%00",
            "/a;\\",
            "/a b",
        ] {
            assert_eq!(made(path), None, "{path}");
        }
    }

    #[test]
    fn a_prefix_ends_where_a_segment_ends() {
        assert!(is_below("/a", "/a") && is_below("/a/b", "/a") && is_below("/x", ""));
        assert!(!is_below("/ab", "/a") && !is_below("/", "/a"));
        assert!(is_below_any_case("/A/b", "/a") && !is_below_any_case("/Ab", "/a"));
    }

    #[test]
    fn inner_paths_are_recognised_below_any_prefix() {
        for path in ["/livez", "/READYZ", "/metrics/x", "/event/adm/v1/x", "/x/INT/y", "/a/b/int/c/d"] {
            assert!(is_inner(path), "{path}");
        }
        for path in ["/", "/e/adm", "/e/int", "/e/int/", "/adm", "/adm/x", "/interior/x", "/metricsx"] {
            assert!(!is_inner(path), "{path}");
        }
    }

    mod made_up {
        use super::*;
        use proptest::prelude::*;

        proptest! {
            #[test]
            fn a_normal_path_is_unchanged(path in "/[a-c%;./\\\\2eEfF5]{0,24}") {
                if let Some(once) = made(&path) {
                    prop_assert_eq!(made(&once), Some(once.clone()));
                    prop_assert!(!once.contains("//") && !once.contains(';') && !once.contains('\\'));
                    prop_assert!(!once.split('/').any(|step| step == "." || step == ".."));
                }
            }
        }
    }
}
