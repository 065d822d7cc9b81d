//! The known key that is closest to a misspelt one.

/// `, did you mean listen?`, or `None` if no known key is close.
pub(super) fn nearest<'a>(path: &str, known: impl Iterator<Item = &'a String>) -> Option<String> {
    let by_distance = known.map(|candidate| (strsim::levenshtein(path, candidate), candidate));
    let (distance, best) = by_distance.min()?;
    let (parent, name) = best.rsplit_once('.').unwrap_or(("", best));
    let same_parent = path.rsplit_once('.').map_or("", |(parent, _)| parent) == parent;
    let shown = if same_parent { name } else { best };
    (distance <= (shown.len() / 3).max(1)).then(|| format!(", did you mean {shown}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_key_gets_the_nearest_known_key() {
        let known: Vec<String> = ["signup.listen", "signup.lease", "worker.lease"].map(str::to_owned).into();
        let suggestion = |path| nearest(path, known.iter());
        assert_eq!(suggestion("signup.lissten").as_deref(), Some(", did you mean listen?"));
        assert_eq!(suggestion("sginup.listen").as_deref(), Some(", did you mean signup.listen?"));
        assert_eq!(suggestion("signup.colour"), None);
    }
}
