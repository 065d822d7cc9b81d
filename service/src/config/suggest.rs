//! The known key that a misspelt one most likely means.

/// `, did you mean listen?`, or nothing if no known key is near.
pub(super) fn nearest<'a>(path: &str, known: impl Iterator<Item = &'a String>) -> Option<String> {
    let (distance, best) = known.map(|candidate| (distance(path, candidate), candidate)).min()?;
    let (parent, name) = best.rsplit_once('.').unwrap_or(("", best));
    let same_place = path.rsplit_once('.').map_or("", |(parent, _)| parent) == parent;
    let length = if same_place { name.len() } else { best.len() };
    (distance <= (length / 3).max(1))
        .then(|| format!(", did you mean {}?", if same_place { name } else { best }))
}

/// How many letters must be put in, left out or changed; two swapped neighbours count as two.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_key_is_told_what_it_most_likely_means() {
        let known: Vec<String> = ["signup.listen", "signup.lease", "worker.lease"].map(str::to_owned).into();
        let meant = |path| nearest(path, known.iter());
        assert_eq!(meant("signup.lissten").as_deref(), Some(", did you mean listen?"));
        assert_eq!(meant("sginup.listen").as_deref(), Some(", did you mean signup.listen?"));
        assert_eq!(meant("signup.colour"), None);
    }

    #[test]
    fn distance_counts_letters_put_in_left_out_and_changed() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("lease", "lease"), 0);
    }
}
