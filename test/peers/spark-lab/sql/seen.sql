SELECT grp, total AS first_total FROM groups
