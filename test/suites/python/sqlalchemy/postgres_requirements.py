"""What PostgreSQL has of what SQLAlchemy's suite leaves closed until a dialect opens it."""

from sqlalchemy.testing import exclusions
from sqlalchemy.testing.requirements import SuiteRequirements

OPENED = """
deferrable_fks boolean_col_expressions nullsordering standalone_binds intersect except_ window_functions ctes
ctes_with_update_delete ctes_on_dml tuple_in views cross_schema_fk_reflection implicit_default_schema reflects_pk_names
reflect_tables_no_columns comment_reflection foreign_key_constraint_option_reflection_ondelete
fk_constraint_option_reflection_ondelete_restrict fk_constraint_option_reflection_ondelete_noaction
foreign_key_constraint_option_reflection_onupdate fk_constraint_option_reflection_onupdate_restrict temp_table_names
has_temp_table temporary_views index_reflects_included_columns check_constraint_reflection unicode_ddl
datetime_literals datetime_timezone time_timezone timestamp_microseconds datetime_historic date_historic json_type
precision_numerics_enotation_small precision_numerics_enotation_large precision_numerics_many_significant_digits
infinity_floats savepoints update_from delete_from mod_operator_as_percent_sign order_by_label_with_expression
computed_columns computed_columns_stored computed_columns_default_persisted computed_columns_reflect_persisted
supports_distinct_on identity_columns identity_columns_standard regexp_match regexp_replace fetch_first fetch_ties
fetch_no_order_by fetch_offset_with_options fetch_expression table_value_constructor schemas sequences sequences_optional
""".split()


class Requirements(SuiteRequirements):
    @property
    def autocommit(self):
        return exclusions.open()

    @property
    def isolation_level(self):
        return exclusions.open()

    def get_isolation_levels(self, config):
        levels = ["READ COMMITTED", "READ UNCOMMITTED", "REPEATABLE READ", "SERIALIZABLE", "AUTOCOMMIT"]
        return {"default": "READ COMMITTED", "supported": levels}


for name in OPENED:
    setattr(Requirements, name, property(lambda self: exclusions.open()))
