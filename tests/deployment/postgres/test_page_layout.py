"""Arithmetic of pages."""

import pytest

from console.deployment.postgres.page_layout import Column, btree_pages, distinct_keys, heap_pages, table_row_bytes

INT = Column(4, 4, True)
BIG = Column(8, 8, True)


def test_padding_between_columns_counts():
    assert table_row_bytes([INT, INT]) == 24 + 8
    assert table_row_bytes([INT, BIG]) == 24 + 16
    assert table_row_bytes([INT]) == 24 + 8  # padded at the end


def test_the_bitmap_of_nulls_costs_eight_bytes_only_past_eight_columns():
    few = [Column(4, 4, True, null_share=0.5), INT]
    assert table_row_bytes(few) < table_row_bytes([INT, INT]) + 0.01
    many = [Column(4, 4, True, null_share=1.0), *[INT] * 9]
    assert table_row_bytes(many) == 32 + 40


def test_nothing_needs_no_page():
    assert heap_pages(0, [INT], block=8192, fillfactor=100) == 0
    assert btree_pages(0, [INT], block=8192, fillfactor=90, deduplicated=True) == 1


def test_a_fill_factor_leaves_room():
    full, roomy = (heap_pages(100_000, [INT, INT], block=8192, fillfactor=fill) for fill in (100, 50))
    assert roomy == pytest.approx(2 * full, rel=0.02)


def test_equal_keys_share_an_entry():
    unique, seven = Column(4, 4, True, distinct=-1.0), Column(4, 4, True, distinct=7.0)
    plain = btree_pages(100_000, [seven], block=8192, fillfactor=90, deduplicated=False)
    shared = btree_pages(100_000, [seven], block=8192, fillfactor=90, deduplicated=True)
    assert shared < plain / 2.5
    assert btree_pages(100_000, [unique], block=8192, fillfactor=90, deduplicated=True) == plain


def test_distinct_keys_are_never_more_than_rows():
    assert distinct_keys(100, [Column(4, 4, True, distinct=-0.5), Column(4, 4, True, distinct=10)]) == 100
    assert distinct_keys(100, [Column(4, 4, True, distinct=2), Column(4, 4, True, distinct=10)]) == 20
    assert distinct_keys(100, [Column(4, 4, True)]) == 100  # not known
