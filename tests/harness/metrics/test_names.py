"""Names of metrics: one each, over all tasks."""

from collections import Counter

from zooscope.metrics import FAMILIES, METRICS, RECORDS, detection


def test_no_two_metrics_share_a_name():
    families = [family for of_task in FAMILIES.values() for family in of_task]
    names = Counter(metric.name for family in (*families, detection) for metric in family.metrics())
    assert [name for name, count in names.items() if count > 1] == []
    assert set(METRICS) <= set(names)


def test_every_task_that_is_measured_has_a_record_of_its_own():
    assert set(FAMILIES) == set(RECORDS)
    assert len(set(RECORDS.values())) == len(RECORDS)
