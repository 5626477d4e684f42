"""Operations on arrays that know nothing of MRI files, networks or experiments (floor F1)."""
