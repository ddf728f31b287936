"""The one table of public data sets: where they are, what they allow, how they are read.

To add a set: its entry here. `options` are those of `read_interactions`. A checksum is given only
where the publisher states one; every file's sha256 is recorded at its first download anyway.
Sizes are of the download, rounded; counts are those that the publisher states.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final


@final
@dataclass(frozen=True, kw_only=True)
class PublicSet:
    """One public set.

    `log` is the file that holds the interactions, below the set's folder, and `files` names what else
    the archive has. `licence` is the licence in one line, stated in full at `licence_at`. `size` is
    the download in bytes, about.
    """

    name: str
    title: str
    address: str
    size: int
    rows: int
    users: int
    items: int
    log: str
    files: tuple[str, ...]
    licence: str
    licence_at: str
    citation: str
    options: Mapping[str, Any] = field(default_factory=dict)
    checksum: str | None = None
    note: str = ""

    def lines(self) -> list[str]:
        """What a reader should know before the download, as plain text."""
        return [
            f"{self.name}: {self.title}",
            f"  {self.rows:,} rows of {self.users:,} users with {self.items:,} items; {self.size / 1e6:,.0f} MB",
            f"  from     {self.address}",
            f"  licence  {self.licence}",
            f"           (stated at {self.licence_at})",
            f"  cite     {self.citation}",
            *([f"  note     {self.note}"] if self.note else []),
        ]


_GROUPLENS = "https://files.grouplens.org/datasets"
_ML_PAPER = (
    "F. M. Harper, J. A. Konstan (2015). The MovieLens Datasets: History and Context. ACM TiiS 5(4), 19. "
    "doi:10.1145/2827872"
)
_ML_CLOSED = "research use with acknowledgement; no redistribution and no commercial use without permission"
_ML_OPEN = "research use with acknowledgement; redistribution under the same terms; no commercial use without permission"
_DAT = {"separator": "::", "columns": ["user", "item", "value", "time"]}
_CSV = {"user": "userId", "item": "movieId", "value": "rating", "time": "timestamp"}
_HETREC = (
    "I. Cantador, P. Brusilovsky, T. Kuflik (2011). Second Workshop on Information Heterogeneity and Fusion in "
    "Recommender Systems (HetRec 2011). RecSys 2011"
)
_CELMA = "O. Celma (2010). Music Recommendation and Discovery. Springer. doi:10.1007/978-3-642-13287-2"
_LASTFM = "non-commercial use, distributed with permission of Last.fm; commercial use only by agreement with Last.fm"

SETS: tuple[PublicSet, ...] = (
    PublicSet(
        name="ml-latest-small",
        title="MovieLens, small development set (ratings 0.5 to 5); not for published comparisons",
        address=f"{_GROUPLENS}/movielens/ml-latest-small.zip",
        size=1_000_000,
        rows=100_836,
        users=610,
        items=9_724,
        log="ratings.csv",
        files=("links.csv", "movies.csv", "README.txt", "tags.csv"),
        licence=_ML_OPEN,
        licence_at=f"{_GROUPLENS}/movielens/ml-latest-small-README.html",
        citation=_ML_PAPER,
        options=_CSV,
        note="renewed at times (last in 2018), so two downloads may differ",
    ),
    PublicSet(
        name="ml-100k",
        title="MovieLens 100K (ratings 1 to 5, 1997-1998)",
        address=f"{_GROUPLENS}/movielens/ml-100k.zip",
        size=5_000_000,
        rows=100_000,
        users=943,
        items=1_682,
        log="u.data",
        files=(
            "u.item",
            "u.user",
            "u.genre",
            "u.occupation",
            "u1.base ... u5.test",
            "ua.base ... ub.test",
            "README",
        ),
        licence=_ML_CLOSED,
        licence_at=f"{_GROUPLENS}/movielens/ml-100k-README.txt",
        citation=_ML_PAPER,
        options={"separator": "\t", "columns": ["user", "item", "value", "time"]},
        checksum="md5:0e33842e24a9c977be4e0107933c0723",
    ),
    PublicSet(
        name="ml-1m",
        title="MovieLens 1M (ratings 1 to 5, 2000-2003)",
        address=f"{_GROUPLENS}/movielens/ml-1m.zip",
        size=6_000_000,
        rows=1_000_209,
        users=6_040,
        items=3_706,
        log="ratings.dat",
        files=("movies.dat", "users.dat", "README"),
        licence=_ML_CLOSED,
        licence_at=f"{_GROUPLENS}/movielens/ml-1m-README.txt",
        citation=_ML_PAPER,
        options=_DAT,
        checksum="md5:c4d9eecfca2ab87c1945afe126590906",
    ),
    PublicSet(
        name="ml-10m",
        title="MovieLens 10M (ratings 0.5 to 5, 1995-2009)",
        address=f"{_GROUPLENS}/movielens/ml-10m.zip",
        size=66_000_000,
        rows=10_000_054,
        users=69_878,
        items=10_677,
        log="ratings.dat",
        files=("movies.dat", "tags.dat", "README.html", "split_ratings.sh", "allbut.pl"),
        licence=_ML_CLOSED,
        licence_at=f"{_GROUPLENS}/movielens/ml-10m-README.html",
        citation=_ML_PAPER,
        options=_DAT,
        checksum="md5:ce571fd55effeba0271552578f2648bd",
    ),
    PublicSet(
        name="ml-20m",
        title="MovieLens 20M (ratings 0.5 to 5, 1995-2015)",
        address=f"{_GROUPLENS}/movielens/ml-20m.zip",
        size=199_000_000,
        rows=20_000_263,
        users=138_493,
        items=26_744,
        log="ratings.csv",
        files=("genome-scores.csv", "genome-tags.csv", "links.csv", "movies.csv", "README.txt", "tags.csv"),
        licence=_ML_OPEN,
        licence_at=f"{_GROUPLENS}/movielens/ml-20m-README.html",
        citation=_ML_PAPER,
        options=_CSV,
        checksum="md5:cd245b17a1ae2cc31bb14903e1204af3",
    ),
    PublicSet(
        name="ml-25m",
        title="MovieLens 25M (ratings 0.5 to 5, 1995-2019)",
        address=f"{_GROUPLENS}/movielens/ml-25m.zip",
        size=262_000_000,
        rows=25_000_095,
        users=162_541,
        items=59_047,
        log="ratings.csv",
        files=("genome-scores.csv", "genome-tags.csv", "links.csv", "movies.csv", "README.txt", "tags.csv"),
        licence=_ML_OPEN,
        licence_at=f"{_GROUPLENS}/movielens/ml-25m-README.html",
        citation=_ML_PAPER,
        options=_CSV,
        checksum="md5:6b51fb2759a8657d3bfcbfc42b592ada",
    ),
    PublicSet(
        name="ml-32m",
        title="MovieLens 32M (ratings 0.5 to 5, 1995-2023)",
        address=f"{_GROUPLENS}/movielens/ml-32m.zip",
        size=239_000_000,
        rows=32_000_204,
        users=200_948,
        items=84_432,
        log="ratings.csv",
        files=("links.csv", "movies.csv", "README.txt", "tags.csv"),
        licence=_ML_OPEN,
        licence_at=f"{_GROUPLENS}/movielens/ml-32m-README.html",
        citation=_ML_PAPER,
        options=_CSV,
    ),
    PublicSet(
        name="lastfm-360k",
        title="Last.fm 360K (plays of artists)",
        address="https://zenodo.org/records/6090214/files/lastfm-dataset-360K.tar.gz",
        size=569_000_000,
        rows=17_559_530,
        users=359_347,
        items=294_015,
        log="usersha1-artmbid-artname-plays.tsv",
        files=("usersha1-profile.tsv", "README.txt", "mbox_sha1sum.py"),
        licence=_LASTFM,
        licence_at="http://ocelma.net/MusicRecommendationDataset/lastfm-360K.html",
        citation=_CELMA,
        options={
            "separator": "\t",
            "columns": ["user", "artist_id", "item", "value"],
            "quoted": False,
            "duplicates": "sum",
            "on_bad_rows": "drop",
        },
        note="artists are told apart by name; a few rows have no name and are dropped, counted and told",
    ),
    PublicSet(
        name="lastfm-1k",
        title="Last.fm 1K (every play of a thousand users, with times, 2005-2009)",
        address="http://mtg.upf.edu/static/datasets/last.fm/lastfm-dataset-1K.tar.gz",
        size=673_000_000,
        rows=19_150_868,
        users=992,
        items=176_948,
        log="userid-timestamp-artid-artname-traid-traname.tsv",
        files=("userid-profile.tsv", "README.txt"),
        licence=_LASTFM,
        licence_at="http://ocelma.net/MusicRecommendationDataset/lastfm-1K.html",
        citation=_CELMA,
        options={
            "separator": "\t",
            "columns": ["user", "time", "artist_id", "item", "track_id", "track"],
            "quoted": False,
            "on_bad_rows": "drop",
        },
        note="items are artists; a few lines are malformed and are dropped, counted and told",
    ),
    PublicSet(
        name="hetrec-lastfm",
        title="HetRec 2011, Last.fm (plays of artists, friends, tags)",
        address=f"{_GROUPLENS}/hetrec2011/hetrec2011-lastfm-2k.zip",
        size=2_600_000,
        rows=92_834,
        users=1_892,
        items=17_632,
        log="user_artists.dat",
        files=(
            "artists.dat",
            "tags.dat",
            "user_friends.dat",
            "user_taggedartists.dat",
            "user_taggedartists-timestamps.dat",
            "readme.txt",
        ),
        licence="non-commercial use",
        licence_at=f"{_GROUPLENS}/hetrec2011/hetrec2011-lastfm-readme.txt",
        citation=_HETREC,
        options={"separator": "\t", "user": "userID", "item": "artistID", "value": "weight"},
    ),
    PublicSet(
        name="hetrec-movielens",
        title="HetRec 2011, MovieLens with IMDb and Rotten Tomatoes (ratings 0.5 to 5)",
        address=f"{_GROUPLENS}/hetrec2011/hetrec2011-movielens-2k-v2.zip",
        size=18_000_000,
        rows=855_598,
        users=2_113,
        items=10_109,
        log="user_ratedmovies-timestamps.dat",
        files=(
            "movies.dat",
            "movie_genres.dat",
            "movie_actors.dat",
            "tags.dat",
            "user_ratedmovies.dat",
            "readme.txt",
        ),
        licence="non-commercial use",
        licence_at=f"{_GROUPLENS}/hetrec2011/hetrec2011-movielens-readme.txt",
        citation=_HETREC,
        options={
            "separator": "\t",
            "user": "userID",
            "item": "movieID",
            "value": "rating",
            "time": "timestamp",
        },
    ),
    PublicSet(
        name="book-crossing",
        title="Book-Crossing (ratings 1 to 10, and 0 for a book that was read without one; 2004)",
        address="http://www2.informatik.uni-freiburg.de/~cziegler/BX/BX-CSV-Dump.zip",
        size=26_000_000,
        rows=1_149_780,
        users=105_283,
        items=340_556,
        log="BX-Book-Ratings.csv",
        files=("BX-Books.csv", "BX-Users.csv"),
        licence="research use with acknowledgement",
        licence_at="http://www2.informatik.uni-freiburg.de/~cziegler/BX/",
        citation=(
            "C.-N. Ziegler, S. M. McNee, J. A. Konstan, G. Lausen (2005). Improving Recommendation Lists Through "
            "Topic Diversification. WWW 2005. doi:10.1145/1060745.1060754"
        ),
        options={
            "separator": ";",
            "user": "User-ID",
            "item": "ISBN",
            "value": "Book-Rating",
            "encoding": "latin-1",
            "on_bad_rows": "drop",
        },
        note="its site is often out of reach: then put your own copy into the MATWEAVE_DATA folder",
    ),
    PublicSet(
        name="goodbooks-10k",
        title="goodbooks-10k (ratings 1 to 5 of popular books, in order of time)",
        address="https://github.com/zygmuntz/goodbooks-10k/releases/download/v1.0/goodbooks-10k.zip",
        size=12_000_000,
        rows=5_976_479,
        users=53_424,
        items=10_000,
        log="ratings.csv",
        files=("books.csv", "book_tags.csv", "tags.csv", "to_read.csv"),
        licence="Creative Commons Attribution-ShareAlike 4.0 (CC BY-SA 4.0)",
        licence_at="https://github.com/zygmuntz/goodbooks-10k/blob/master/LICENSE",
        citation="Z. Zajac (2017). Goodbooks-10k: a new dataset for book recommendations. FastML",
        options={"user": "user_id", "item": "book_id", "value": "rating"},
    ),
    PublicSet(
        name="movietweetings",
        title="MovieTweetings (ratings 0 to 10 tweeted from IMDb, 2013-2021)",
        address="https://raw.githubusercontent.com/sidooms/MovieTweetings/master/latest/ratings.dat",
        size=24_000_000,
        rows=921_398,
        users=71_707,
        items=38_018,
        log="ratings.dat",
        files=(),
        licence="MIT",
        licence_at="https://github.com/sidooms/MovieTweetings/blob/master/LICENSE",
        citation=(
            "S. Dooms, T. De Pessemier, L. Martens (2013). MovieTweetings: a Movie Rating Dataset Collected From "
            "Twitter. CrowdRec at RecSys 2013"
        ),
        options=_DAT,
    ),
)
