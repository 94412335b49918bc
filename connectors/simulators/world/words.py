"""Names, places and trades of a dozen languages; all domains are reserved ones (.example) but the well-known free-mail ones."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tongue:
    """What people and companies of one language are called. `company` has {stem} and {trade}; `phone` has # for a digit."""

    code: str
    country: str
    given: tuple[str, ...]
    family: tuple[str, ...]
    stems: tuple[str, ...]
    trades: tuple[str, ...]
    company: tuple[str, ...]
    cities: tuple[tuple[str, str], ...]  # city, postal code
    streets: tuple[str, ...]
    phone: str


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.replace("\n", " ").replace("_", " ").split()) if "," not in text else tuple(w.strip() for w in text.split(","))


def _cities(text: str) -> tuple[tuple[str, str], ...]:
    return tuple((name.strip(), code.strip()) for name, code in (pair.split(":") for pair in text.split(",")))


TONGUES = (
    Tongue(
        "de", "Germany",
        _words("Mara Jonas Lena Felix Anke Jürgen Sabine Björn Käthe Moritz Heike Uwe Annika Torsten Gökhan Ulrike Matthias Jule"),
        _words("Weber Müller Köhler Schäfer Lindemann Groß Vogt Brückner Hartwig Jäger Öztürk Krüger Reiß Faßbender Niemann Böhm"),
        _words("Nordwind Rheintal Elbkontor Steinhoff Brückenau Sonnfeld Hansekai Waldhaus Lichtwerk Falkenstein"),
        _words("Logistik Maschinenbau Feinkost Energietechnik Medien Werkzeuge Pflege Software"),
        ("{stem} {trade} GmbH", "{stem} {trade} AG", "{stem} {trade} GmbH & Co. KG", "{stem} {trade} e.K."),
        _cities("Köln:50667, Hamburg:20095, München:80331, Leipzig:04109, Münster:48143, Görlitz:02826"),
        _words("Lindenstraße, Am Güterbahnhof, Hauptstraße, Königsallee, Schäfergasse"), "+49 2## #######",
    ),
    Tongue(
        "en", "United Kingdom",
        _words("Oliver Grace Harriet Callum Imogen Rhys Priya Dylan Niamh Tobias Amara Elliot Beatrix Kwame Saoirse Jamal"),
        _words("Ashworth, O'Brien, Pemberton, Singh, MacLeod, Whitcombe, D'Arcy, Smith-Jones, Okafor, Fairbank, Llewellyn, van Dyke"),
        _words("Northpine Kestrel Brightwater Oakridge Silverline Hollowell Tideway Marlowe Greenbank Foxglove"),
        _words("Logistics, Analytics, Foods, Engineering, Media, Care, Textiles, Energy"),
        ("{stem} {trade} Ltd", "{stem} {trade} plc", "{stem} & Sons {trade}", "{stem} {trade} LLP"),
        _cities("Leeds:LS1 4DY, Bristol:BS1 5TR, Glasgow:G1 1XQ, Norwich:NR2 1TF, Cardiff:CF10 1EP"),
        _words("High Street, Mill Lane, Station Road, St. James's Square, Quay Side"), "+44 1### ######",
    ),
    Tongue(
        "fr", "France",
        _words("Chloé Étienne Noémie Thibault Inès François Maëlle Rémi Zoé Jérôme Anaïs Loïc Océane Gaël"),
        _words("Lefèvre, Moreau, Béranger, Dupré, de La Tour, Gonçalves, Rousseau, Marchand, Çelik, Villeneuve, L'Hermitte, Noël"),
        _words("Belleforge Montclair Rivière Soleillade Hautecombe Lavandière Clairvaux Mistral"),
        _words("Conseil Transports Boulangerie Énergie Textiles Santé Édition Viticole"),
        ("{stem} {trade} SARL", "Société {stem} {trade}", "{stem} {trade} SAS", "{stem} {trade} S.A."),
        _cities("Lyon:69002, Nîmes:30000, Besançon:25000, Orléans:45000, Sète:34200"),
        _words("rue de l'Église, avenue Victor Hugo, place du Marché, boulevard Saint-Germain"), "+33 4 ## ## ## ##",
    ),
    Tongue(
        "es", "Spain",
        _words("José Lucía Íñigo Martina Ángel Begoña Raúl Sofía Andrés Núria Joaquín Inés"),
        _words("García Núñez, Ibáñez, Peña, Castaño, Jiménez, Ordóñez, Vázquez, Muñoz, Echeverría, de la Fuente, Sáez"),
        _words("Altamira Peñalara Riomar Sierranova Olivares Tramontana Montesol Alcázar"),
        _words("Alimentos Logística Energía Diseño Cerámica Turismo Talleres"),
        ("{stem} {trade} S.L.", "{stem} {trade} S.A.", "Grupo {stem} {trade}"),
        _cities("Málaga:29001, Logroño:26001, Cádiz:11001, Girona:17001, Ávila:05001"),
        _words("Calle Mayor, Avenida de la Constitución, Paseo del Río, Plaza España"), "+34 9## ### ###",
    ),
    Tongue(
        "pl", "Poland",
        _words("Łukasz Agnieszka Michał Żaneta Paweł Zofia Wojciech Małgorzata Grażyna Stanisław Kinga"),
        _words("Wiśniewski Dąbrowska Zieliński Łukasiewicz Żak Gołębiewska Wójcik Szczęsny Kowalczyk Ćwik"),
        _words("Bursztyn Wisła Karpaty Jaskółka Dębowy Orzeł Złotniki"),
        _words("Transport Meble Piekarnia Technika Szkło Usługi Energia"),
        ("{stem} {trade} Sp. z o.o.", "{stem} {trade} S.A."),
        _cities("Łódź:90-001, Kraków:31-001, Gdańsk:80-001, Poznań:61-001"),
        _words("ul. Długa, ul. Świętojańska, al. Niepodległości, ul. Mickiewicza"), "+48 5## ### ###",
    ),
    Tongue(
        "sv", "Sweden",
        _words("Åsa Björn Elin Göran Märta Sören Linnéa Håkan Ebba Östen Signe"),
        _words("Lindqvist Åkesson Öberg Sjöström Björklund Hallström Nygård Ekelöf Bergström"),
        _words("Fjällbruk Norrsken Vinterhamn Björkdal Sjögård Östersund Granvik"),
        _words("Skog Livs Teknik Sjöfart Design Energi"),
        ("{stem} {trade} AB", "{stem}s {trade} AB", "{stem} & Co {trade} HB"),
        _cities("Göteborg:411 03, Malmö:211 20, Umeå:903 26, Västerås:722 12"),
        _words("Storgatan, Åvägen, Kyrkogatan, Östra Hamngatan"), "+46 31 ### ## ##",
    ),
    Tongue(
        "it", "Italy",
        _words("Giulia Niccolò Chiara Lorenzo Beatrice Matteo Elettra Davide Noemi Tommaso"),
        _words("Rossi, Cantù, D'Amico, Bianchi, De Luca, Esposito, Marchetti, Nicolò, Fabbri, Lo Presti"),
        _words("Vesuvio Bellariva Monterosso Ginestra Cantieri Lagoblu"),
        _words("Alimentari Ceramiche Moda Meccanica Trasporti Vini"),
        ("{stem} {trade} S.r.l.", "{stem} {trade} S.p.A.", "Fratelli {stem} {trade}"),
        _cities("Bologna:40121, Forlì:47121, Cefalù:90015, Trento:38122"),
        _words("Via Garibaldi, Piazza della Libertà, Corso Umberto, Via dei Mille"), "+39 0## ### ####",
    ),
    Tongue(
        "tr", "Türkiye",
        _words("Ayşe Gökhan Çağla İbrahim Şule Emre Özge Yiğit Büşra Kağan"),
        _words("Yılmaz Öztürk Çelik Şahin Güneş Doğan Kılıç Aydın Işık Ünal"),
        _words("Boğaziçi Anadolu Karadeniz Şafak Yıldız Çınar"),
        _words("Lojistik Tekstil Gıda İnşaat Enerji Yazılım"),
        ("{stem} {trade} A.Ş.", "{stem} {trade} Ltd. Şti."),
        _cities("İstanbul:34000, İzmir:35000, Muğla:48000, Eskişehir:26000"),
        _words("Atatürk Caddesi, İstiklal Sokağı, Gül Sokak, Çarşı Meydanı"), "+90 2## ### ## ##",
    ),
    Tongue(
        "pt", "Portugal",
        _words("João Inês Gonçalo Conceição Tomás Mafalda Simão Beatriz Nuno Fátima"),
        _words("Conceição, Magalhães, Simões, da Silva, Falcão, Guimarães, Brandão, Araújo, dos Santos"),
        _words("Atlântida Douro Serralves Monção Alvorada Ribeirão"),
        _words("Conservas Cortiças Transportes Energia Vinhos"),
        ("{stem} {trade} Lda.", "{stem} {trade} S.A."),
        _cities("Évora:7000-001, Guimarães:4800-001, Setúbal:2900-001, Lisboa:1100-001"),
        _words("Rua das Flores, Avenida da Liberdade, Praça do Comércio"), "+351 2## ### ###",
    ),
    Tongue(
        "ja", "Japan",
        _words("蓮 陽菜 大翔 結衣 健太 さくら 翔太 美咲"),
        _words("佐藤 鈴木 高橋 田中 渡辺 伊藤 山本 中村"),
        _words("青葉 富士見 白川 桜井 天竜"),
        _words("電機 商事 工業 食品 運輸"),
        ("株式会社{stem}{trade}", "{stem}{trade}株式会社"),
        _cities("大阪市:530-0001, 東京都:100-0001, 札幌市:060-0001"),
        _words("本町1丁目, 中央2丁目, 緑が丘"), "+81 3 #### ####",
    ),
    Tongue(
        "ar", "United Arab Emirates",
        _words("ليلى أحمد فاطمة عمر نور يوسف مريم خالد"),
        _words("الحسيني, المنصوري, بن سعيد, الخطيب, حداد, الزهراني"),
        _words("النور الخليج الواحة الفجر الصقر"),
        _words("للتجارة للنقل للأغذية للطاقة"),
        ("شركة {stem} {trade}",),
        _cities("دبي:00000, أبوظبي:00000, الشارقة:00000"),
        _words("شارع الشيخ زايد, شارع الكورنيش"), "+971 4 ### ####",
    ),
)  # fmt: skip
SHARES = (26, 22, 12, 9, 8, 6, 6, 4, 3, 2, 2)  # of 100 people, in the order above
# Well-known free-mail domains; the local parts used with them hold an underscore and a number.
FREE_MAIL = ("gmail.com", "outlook.com", "hotmail.com", "yahoo.com", "gmx.net", "web.de", "icloud.com", "orange.fr", "proton.me", "qq.com")
ROLES = ("info", "sales", "office", "support", "contact", "noreply", "buchhaltung", "admin")
JOBS = (
    "Head of Procurement", "Einkaufsleiterin", "CFO", "Marketing Manager", "Directeur technique", "Responsable Comercial", "IT-Leiter",
    "Kierownik sprzedaży", "Inköpschef", "Operations Lead", "Data Engineer", "代表取締役", "CEO & Founder",
)  # fmt: skip
_LATIN = str.maketrans({"ß": "ss", "ø": "o", "ł": "l", "Ł": "L", "ı": "i", "İ": "I", "æ": "ae", "Ø": "O", "đ": "d"})
_SOUNDS = {
    "蓮": "ren", "陽菜": "hina", "大翔": "hiroto", "結衣": "yui", "健太": "kenta", "さくら": "sakura", "翔太": "shota", "美咲": "misaki",
    "佐藤": "sato", "鈴木": "suzuki", "高橋": "takahashi", "田中": "tanaka", "渡辺": "watanabe", "伊藤": "ito", "山本": "yamamoto",
    "中村": "nakamura", "青葉": "aoba", "富士見": "fujimi", "白川": "shirakawa", "桜井": "sakurai", "天竜": "tenryu", "電機": "denki",
    "商事": "shoji", "工業": "kogyo", "食品": "shokuhin", "運輸": "unyu", "ليلى": "layla", "أحمد": "ahmad", "فاطمة": "fatima",
    "عمر": "omar", "نور": "noor", "يوسف": "yusuf", "مريم": "maryam", "خالد": "khalid", "الحسيني": "alhusseini", "المنصوري": "almansoori",
    "بن سعيد": "binsaeed", "الخطيب": "alkhatib", "حداد": "haddad", "الزهراني": "alzahrani", "النور": "alnoor", "الخليج": "alkhaleej",
    "الواحة": "alwaha", "الفجر": "alfajr", "الصقر": "alsaqr", "للتجارة": "trading", "للنقل": "transport", "للأغذية": "foods",
    "للطاقة": "energy",
}  # fmt: skip


def without_accents(text: str) -> str:
    """The text in plain Latin letters where it has accents; other scripts stay."""
    plain = unicodedata.normalize("NFKD", text.translate(_LATIN))
    return "".join(letter for letter in plain if not unicodedata.combining(letter))


def latin(text: str) -> str:
    """Lower-case letters and digits that fit an address: accents dropped, other scripts by their sound."""
    plain = without_accents(_SOUNDS.get(text, text)).lower()
    return "".join(letter for letter in plain if letter.isascii() and letter.isalnum())
